//! Codes: who gets in with one, and who does not; organisation codes.

use node::command::admission::{Desk, Invite, code_id};
use protocol::admission::exchange::refused;
use protocol::admission::secret_hash;
use protocol::name::SeatId;
use runtime::admission::{Answer, Desk as _};
use runtime::door::{Clock, random};
use store::AuditFilter;

use crate::desk::*;
use crate::kit::*;

/// Twelve come at once with one code, over and over: one of them gets in, whoever is first, and it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_with_one_code_one_gets_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let east = authority().district_node(folder.path(), 0).await;
    for round in 0..40 {
        let pre_approved = round % 2 == 0;
        let invite = Invite {
            pre_approved,
            ..bureau()
        };
        let (code, issued) = issue(&east, &invite).await;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (node, code) = (east.clone(), code.clone());
            asking.spawn(async move {
                let newcomer = Newcomer::fresh();
                let said = newcomer.ask(&node, &code).await;
                (newcomer, said)
            });
        }
        let (mut in_, mut out) = (Vec::new(), 0);
        for (newcomer, said) in asking.join_all().await {
            match said {
                Said::Refused(refused) => {
                    assert_eq!(refused.code, refused::ANOTHER_KEY, "{}", refused.reason);
                    assert!(refused.reason.contains("另一把密钥"), "{}", refused.reason);
                    out += 1;
                }
                said => in_.push((newcomer, said)),
            }
        }
        assert_eq!((in_.len(), out), (1, 11), "round {round}");
        let (newcomer, said) = in_.remove(0);
        assert_eq!(said.is_pending(), !pre_approved);
        let seat = issued.seat;
        if !pre_approved {
            assert_eq!(identities(&east, &seat), 0);
            // two people decide at once, and the newcomer asks meanwhile
            let number = seat.to_string();
            let (actor, id) = (actor(), &issued.id);
            let (one, other, said) = tokio::join!(
                east.approve(&number, "", &actor, now()),
                east.approve(id, "", &actor, now()),
                newcomer.ask(&east, &code),
            );
            assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
            assert!(!matches!(said, Said::Refused(_)), "{said:?}");
        }
        // the same keys get the same answer, as often as they ask
        for _ in 0..2 {
            let approved = newcomer.ask(&east, &code).await.approved();
            assert_eq!(approved.identity.identity().serial, 1);
        }
        assert_eq!(identities(&east, &seat), 1, "round {round}");
        let row = east.store().peer(seat).await.expect("read").expect("a row");
        assert_eq!(row.fingerprint, newcomer.keys.fingerprint().to_string());
        assert_eq!(row.tls_key, newcomer.tls_key);
        let hash = secret_hash(&code.secret).0;
        let row = east.store().invitation_get(hash).await.expect("read");
        let row = row.expect("a row");
        assert_eq!(row.request.expect("used").keys[..], {
            let mut bytes = Vec::new();
            newcomer.keys.put(&mut bytes);
            bytes
        });
        assert_eq!(row.others.expect("others came").times, 11);
        let alarms = AuditFilter {
            action: Some("invitation.another-key".to_owned()),
            ..AuditFilter::default()
        };
        let alarms = east.store().audit_page(&alarms, None, 1_000).await;
        let of_code = alarms.expect("read");
        let of_code = of_code.iter().filter(|a| a.object == seat.to_string());
        assert_eq!(of_code.count(), 11, "each is written down");
    }
    let exposed = east.exposed_codes(now()).await.expect("read");
    assert_eq!(exposed.len(), 40);
    assert!(exposed[0].contains("11 次"), "{}", exposed[0]);
    let week = 8 * 24 * 3_600_000_000;
    assert!(
        east.exposed_codes(now() + week)
            .await
            .expect("read")
            .is_empty()
    );
    assert_eq!(east.store().peers().await.expect("read").len(), 40);
}

#[tokio::test]
async fn a_code_for_another_kind_is_not_used_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let city = authority().city_node(folder.path()).await;
    let desk = Desk::new(city.clone(), Clock::system());
    let (code, _) = issue(&city, &district(WEST)).await;
    let newcomer = Newcomer::fresh();
    let applicant = newcomer.applicant(random());
    let mut ask = code.ask();
    ask.kind = DEPARTMENT;
    let refused = desk.offer(applicant, ask).await.expect_err("another kind");
    assert_eq!(refused.code, refused::KIND);
    for part in ["用于区县节点", "不能用于部门代理", "未被使用"] {
        assert!(refused.reason.contains(part), "{}", refused.reason);
    }
    assert!(
        newcomer.ask(&city, &code).await.is_pending(),
        "it is still good"
    );
}

#[tokio::test]
async fn a_code_that_is_wrong_over_or_called_back_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let east = authority().district_node(folder.path(), 0).await;
    let newcomer = Newcomer::fresh();
    let (code, issued) = issue(&east, &bureau()).await;
    let mut wrong = code.clone();
    wrong.secret = [9; 10];
    let said = newcomer.ask(&east, &wrong).await;
    said.refused(refused::UNKNOWN, "核对是否抄写有误");
    // an old one
    let then = now() - 48 * 3_600_000_000;
    let old = east
        .invite(&bureau(), random(), random(), &actor(), then)
        .await
        .expect("issued");
    let old = protocol::admission::code::Code::parse(&old.code).expect("a code");
    let said = newcomer.ask(&east, &old).await;
    said.refused(refused::EXPIRED, "重新签发");
    // one that somebody waits with is called back, by its number
    assert!(newcomer.ask(&east, &code).await.is_pending());
    let revoke = async |number: &str| east.revoke_code(number, &actor(), now()).await;
    assert_eq!(revoke(&issued.id.to_uppercase()).await.expect("done"), 1);
    let said = newcomer.ask(&east, &code).await;
    said.refused(refused::REVOKED, "撤回");
    let approved = east.approve(&issued.id, "", &actor(), now()).await;
    let error = approved.expect_err("called back").to_string();
    assert!(error.contains("已撤回"), "{error}");
    let again = revoke(&issued.id).await.expect_err("over").to_string();
    assert!(again.contains("已经撤回"), "{again}");
    // all of a seat at once; none of who is in
    let (_, seat, _) = let_in(&east, &bureau()).await;
    let renewals = Invite {
        renews: seat.to_string(),
        ..bureau()
    };
    for _ in 0..2 {
        issue(&east, &renewals).await;
    }
    assert_eq!(revoke(&seat.to_string()).await.expect("done"), 2);
    let none = revoke(&seat.to_string()).await.expect_err("over");
    assert!(none.to_string().contains("没有可以撤回"), "{none}");
    let unknown = revoke("0123456789ab").await.expect_err("unknown");
    assert!(unknown.to_string().contains("没有这个接入码"), "{unknown}");
}

#[tokio::test]
async fn a_request_that_proves_nothing_uses_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let east = authority().district_node(folder.path(), 0).await;
    let desk = Desk::new(east.clone(), Clock::system());
    let (code, _) = issue(&east, &bureau()).await;
    let (other, _) = issue(&east, &bureau()).await;
    let newcomer = Newcomer::fresh();
    let exporter = random();
    let prepared = newcomer.prepare(&desk, &code, exporter).await;
    let (offer, request) = prepared.expect("an offer");
    let check = async |change: &dyn Fn(&mut protocol::admission::exchange::Request), code: u8| {
        let mut request = request.clone();
        change(&mut request);
        let applicant = newcomer.applicant(exporter);
        match desk.judge(applicant, offer.clone(), request).await {
            Answer::Refused(refused) => assert_eq!(refused.code, code, "{}", refused.reason),
            other => panic!("{other:?}"),
        }
    };
    check(&|r| r.secret = [9; 10], refused::UNKNOWN).await;
    // the offer of one code, the secret of another
    check(&|r| r.secret = other.secret, refused::PROOF).await;
    check(&|r| r.seat = SeatId([1; 16]), refused::PROOF).await;
    check(&|r| r.keys = Newcomer::fresh().keys, refused::PROOF).await;
    check(&|r| r.possession = r.presence.clone(), refused::PROOF).await;
    check(&|r| r.presence = r.possession.clone(), refused::PROOF).await;
    check(&|r| r.consent = r.possession.clone(), refused::PROOF).await;
    for code in [&code, &other] {
        let hash = secret_hash(&code.secret).0;
        let row = east.store().invitation_get(hash).await.expect("read");
        assert_eq!(row.expect("a row").request, None, "{}", code_id(&hash));
    }
    let judged = desk.judge(newcomer.applicant(exporter), offer, request);
    assert!(matches!(judged.await, Answer::Pending { .. }));
}

#[tokio::test]
async fn who_is_refused_hears_why_and_stays_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let east = authority().district_node(folder.path(), 0).await;
    let (code, issued) = issue(&east, &bureau()).await;
    let newcomer = Newcomer::fresh();
    assert!(newcomer.ask(&east, &code).await.is_pending());
    let refuse = async |reason: &str| east.refuse(&issued.id, reason, &actor(), now()).await;
    let empty = refuse(" ").await.expect_err("no reason").to_string();
    assert!(empty.contains("驳回理由"), "{empty}");
    refuse("指纹不符").await.expect("refused");
    let said = newcomer.ask(&east, &code).await;
    said.refused(refused::BY_PERSON, "指纹不符");
    let again = east.approve(&issued.id, "", &actor(), now()).await;
    assert!(again.expect_err("decided").to_string().contains("已驳回"));
    assert_eq!(identities(&east, &issued.seat), 0);
    let nobody = east.approve("x", "", &actor(), now()).await;
    let nobody = nobody.expect_err("nobody").to_string();
    assert!(nobody.contains("没有这个申请"), "{nobody}");
}

#[tokio::test]
async fn an_identity_says_what_was_invited() {
    let folder = tempfile::tempdir().expect("a folder");
    let east = authority().district_node(folder.path(), 0).await;
    let town = format!("{EAST}001");
    let invite = Invite {
        jurisdiction: town.clone(),
        organisation: format!("{town}.zwzx"),
        title: "街道政务中心 受理库".to_owned(),
        types: vec!["registration".to_owned()],
        ..bureau()
    };
    let (newcomer, seat, _) = let_in(&east, &invite).await;
    let directory = east.directory();
    let identity = directory.identity(&seat).expect("in force").identity();
    assert_eq!(
        (
            identity.organisation.as_str(),
            identity.jurisdiction.as_str(),
            identity.node,
            &identity.keys,
            identity.permitted.as_slice(),
            identity.admits,
        ),
        (
            invite.organisation.as_str(),
            town.as_str(),
            east.seat(),
            &newcomer.keys,
            &["registration".to_owned()][..],
            false,
        )
    );
    assert_eq!(identity.issuer, east.identity_ref());
}

#[tokio::test]
async fn an_organisation_code_is_minted_once_and_by_who_may() {
    let (one, two) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let authority = authority();
    let city = authority.city_node(one.path()).await;
    let east = authority.district_node(two.path(), 0).await;
    let invite = |organisation: &str, said: &str, title: &str| Invite {
        organisation: organisation.to_owned(),
        organisation_title: said.to_owned(),
        title: title.to_owned(),
        jurisdiction: String::new(),
        ..bureau()
    };
    let wrong = not_issued(&east, &invite("", "", "x")).await;
    assert!(wrong.contains("--organisation"), "{wrong}");
    for code in ["370102", "370102.S", "370102.市监", "*.scjg", "370102.s"] {
        let wrong = not_issued(&east, &invite(code, "", "x")).await;
        assert!(wrong.contains("机构代码「"), "{wrong}");
    }
    // a district mints in its own region only; the city everywhere in its own
    for code in ["370104.scjg", "370100.scjg", "990000.scjg"] {
        let wrong = not_issued(&east, &invite(code, "", "x")).await;
        assert!(wrong.contains("须由市级赋码"), "{wrong}");
    }
    for code in ["370104.swj", "370100.swj"] {
        let title = format!("{code} 库");
        issue(&city, &invite(code, "", &title)).await;
    }
    let wrong = not_issued(&city, &invite("990000.scjg", "", "x")).await;
    assert!(wrong.contains("须由市级赋码"), "{wrong}");
    // what stands before the space is the organisation
    issue(&east, &invite("370102.scjg", "", "市场监管局 登记库")).await;
    issue(&east, &invite("370102.scjg", "", "市场监管局 许可库")).await;
    issue(&east, &invite("370102.scjg", "市场监管局", "许可")).await;
    assert_eq!(east.organisation_title("370102.scjg"), "市场监管局");
    for (said, title) in [("", "税务局 征管库"), ("税务局", "税务局 征管库")] {
        let wrong = not_issued(&east, &invite("370102.scjg", said, title)).await;
        assert!(wrong.contains("已属于「市场监管局」"), "{wrong}");
        assert!(wrong.contains("--organisation-title 市场监管局"), "{wrong}");
    }
    // also after a new start
    assert_eq!(
        east.store().organisations().await.expect("read").len(),
        1,
        "what was refused minted nothing"
    );
}
