//! A clerk changes a row, mends a wrong one, moves an entity to another district; people at the consoles see it.

use tests::legacy::row_id;
use tests::process::Program;

use crate::desk::{Desk, field};
use crate::world::{World, code, row};

const REPRESENTATIVE: &str = "法定代表人";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_clerk_does_shows_at_district_and_city() {
    let mut world = World::new().await;
    let wrong = {
        let mut code = code(2);
        let right = code.pop();
        code.push(if right == Some('7') { '8' } else { '7' });
        code
    };
    let mut rows = [row(1, "济南泉一有限公司"), row(2, "济南泉二有限公司")];
    rows[1].code = Some(wrong);
    let (mut legacy, path) = world.legacy("bureau", &rows).await;
    let agent = world.agent("bureau", &path, Program::District, &[]);
    world.start("bureau", &agent);
    let moving = row(3, "济南泉三有限公司");
    let (mut citys, path) = world.legacy("city-bureau", &[moving]).await;
    let agent = world.agent("city-bureau", &path, Program::City, &[]);
    world.start("city-bureau", &agent);
    let [city, here, elsewhere] =
        [&world.city, &world.here, &world.elsewhere].map(|site| Desk::sign_in(site.console));
    let [first, second, third] = [1, 2, 3].map(code);

    for desk in [&city, &here] {
        desk.wait("the rows as they were", |d| {
            field(&d.dossier(&first), REPRESENTATIVE).as_deref() == Some("王一")
                && !d.dossier(&third).is_null()
        });
        desk.wait("the refusal", |d| d.open_refusals() == 1);
        assert!(
            desk.dossier(&second).is_null(),
            "a refused row is no entity"
        );
    }
    assert!(
        elsewhere.dossier(&first).is_null(),
        "other districts have nothing to do with it"
    );

    legacy
        .update(&row_id(1), "FDDBR", Some("李𠮷"))
        .await
        .expect("changed");
    for desk in [&here, &city] {
        desk.wait("the changed cell", |d| {
            field(&d.dossier(&first), REPRESENTATIVE).as_deref() == Some("李𠮷")
        });
    }

    legacy
        .update(&row_id(2), "TYSHXYDM", Some(&second))
        .await
        .expect("mended");
    for desk in [&here, &city] {
        desk.wait("the mended row, its refusal closed", |d| {
            !d.dossier(&second).is_null() && d.open_refusals() == 0
        });
    }

    citys
        .update(&row_id(1), "SSQY", Some("市中区"))
        .await
        .expect("moved");
    elsewhere.wait("the entity that moved in", |d| !d.dossier(&third).is_null());
    city.wait("its new district", |d| {
        d.dossier(&third)["region"]
            .as_str()
            .is_some_and(|r| r.contains("市中区"))
    });
    here.wait("that it left", |d| d.dossier(&third).is_null());
    assert!(!here.dossier(&first).is_null(), "the others stay");
}
