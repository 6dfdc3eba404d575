//! Another identity for a seat that has one: with the consent of its former keys, or without and with a reason.

use node::command::actor::Action;
use node::command::admission::Invite;
use node::command::revoke::Reason;
use node::command::rotate::Former;
use node::home::{Founding, Home, Seeds};
use protocol::admission::exchange::refused;
use protocol::envelope::{Envelope, kind};
use protocol::name::{InstanceId, SeatId};
use protocol::sign::SigningKey;
use protocol::statement::{BindsFrom, EpochOpening};
use store::AuditFilter;

use crate::desk::*;
use crate::kit::*;

fn renewal(seat: SeatId) -> Invite {
    Invite {
        renews: seat.to_string(),
        hours: 24,
        address: "127.0.0.1:4433".to_owned(),
        ..Invite::default()
    }
}

#[tokio::test]
async fn keys_are_replaced_with_the_consent_of_the_former() {
    let folder = tempfile::tempdir().expect("a folder");
    let east = authority().district_node(folder.path(), 0).await;
    let (former, seat, first) = let_in(&east, &bureau()).await;
    let (code, issued) = issue(&east, &renewal(seat)).await;
    assert_eq!(issued.seat, seat);
    let newcomer = Newcomer {
        former: Some(SigningKey::from_seed(&former.tls_key)),
        ..Newcomer::fresh()
    };
    // whoever has the code alone does not get the seat of another here
    let said = Newcomer::fresh().ask(&east, &code).await;
    said.refused(refused::PROOF, "原密钥的同意");
    assert!(newcomer.ask(&east, &code).await.is_pending());
    east.approve(&issued.id, "", &actor(), now())
        .await
        .expect("approved");
    let approved = newcomer.ask(&east, &code).await.approved();
    let identity = approved.identity.identity();
    assert_eq!((identity.serial, identity.reason.as_str()), (2, ""));
    assert_eq!(identity.title, bureau().title, "what nobody changes stays");
    assert!(!identity.consent.is_empty());
    let from = BindsFrom {
        counter: 1,
        sequence: 1,
    };
    assert_eq!(identity.binds_from, [from; 3], "it has no epoch yet");
    let row = east.store().peer(seat).await.expect("read").expect("a row");
    assert_eq!(row.fingerprint, newcomer.keys.fingerprint().to_string());
    assert_eq!(row.tls_key, newcomer.tls_key);
    // the code of the former keys is over
    let said = former.ask(&east, &first).await;
    said.refused(refused::REVOKED, "已换发");
    assert_eq!(identities(&east, &seat), 2);
}

#[tokio::test]
async fn the_same_keys_get_another_identity_where_they_stand() {
    let folder = tempfile::tempdir().expect("a folder");
    let east = authority().district_node(folder.path(), 0).await;
    let (mut newcomer, seat, _) = let_in(&east, &bureau()).await;
    let invite = Invite {
        types: vec!["registration".to_owned()],
        title: "历下区市场监管局 新登记库".to_owned(),
        pre_approved: true,
        ..renewal(seat)
    };
    let (code, _) = issue(&east, &invite).await;
    newcomer.tls_key = [9; 32];
    let approved = newcomer.ask(&east, &code).await.approved();
    let identity = approved.identity.identity();
    assert_eq!((identity.serial, &identity.title), (2, &invite.title));
    assert_eq!(identity.permitted, invite.types);
    assert!(identity.consent.is_empty());
    let row = east.store().peer(seat).await.expect("read").expect("a row");
    assert_eq!(row.tls_key, [9; 32], "another machine");
}

#[tokio::test]
async fn without_consent_only_the_city_lets_keys_be_replaced_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let city = authority().city_node(folder.path()).await;
    let (_, seat, _) = let_in(&city, &bureau()).await;
    // a code that lets in at once does not do so here
    let invite = Invite {
        pre_approved: true,
        ..renewal(seat)
    };
    let (code, issued) = issue(&city, &invite).await;
    let newcomer = Newcomer::fresh();
    assert!(newcomer.ask(&city, &code).await.is_pending());
    let approve = async |reason: &str| city.approve(&issued.id, reason, &actor(), now()).await;
    let error = approve("").await.expect_err("no reason").to_string();
    assert!(error.contains("填写原因"), "{error}");
    let long = "长".repeat(100);
    let error = approve(&long).await.expect_err("too long").to_string();
    assert!(error.contains("60 个汉字"), "{error}");
    approve("前置机报废，密钥已丢失").await.expect("approved");
    let approved = newcomer.ask(&city, &code).await.approved();
    let identity = approved.identity.identity();
    assert_eq!(
        (identity.serial, identity.reason.as_str()),
        (2, "前置机报废，密钥已丢失")
    );
    // or the reason comes with the invitation
    let invite = Invite {
        pre_approved: true,
        reason: "再次丢失".to_owned(),
        ..renewal(seat)
    };
    let (code, _) = issue(&city, &invite).await;
    let approved = Newcomer::fresh().ask(&city, &code).await.approved();
    assert_eq!(approved.identity.identity().reason, "再次丢失");
    assert_eq!(identities(&city, &seat), 3);
}

#[tokio::test]
async fn other_keys_bind_from_the_next_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let city = authority().city_node(folder.path()).await;
    let (newcomer, seat, _) = let_in(&city, &bureau()).await;
    let opening = EpochOpening {
        seat,
        counter: 1,
        nonce: [1; 16],
        identity: city
            .directory()
            .identity(&seat)
            .expect("in force")
            .reference(),
        instance: InstanceId([1; 16]),
        last_known: Vec::new(),
        void: Vec::new(),
    };
    let opening = Envelope::signed(kind::OPENING, 1, opening.to_bytes(), &newcomer.key);
    city.publish(&[opening], now()).await.expect("published");
    for (keys, counter) in [(newcomer.tls_key, 1), ([77; 32], 2)] {
        let invite = Invite {
            pre_approved: true,
            reason: "换机".to_owned(),
            ..renewal(seat)
        };
        let (code, _) = issue(&city, &invite).await;
        let approved = Newcomer::new(keys).ask(&city, &code).await.approved();
        let from = BindsFrom {
            counter,
            sequence: 1,
        };
        assert_eq!(approved.identity.identity().binds_from, [from; 3]);
    }
}

#[tokio::test]
async fn only_who_admitted_a_seat_renews_it_and_the_city_all() {
    let (one, two) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let authority = authority();
    let city = authority.city_node(one.path()).await;
    let east = authority.district_node(two.path(), 0).await;
    let (_, of_city, _) = let_in(&city, &bureau()).await;
    let (_, of_east, _) = let_in(&east, &bureau()).await;
    sync(&city, &east, &mut [0; 3]).await;
    sync(&east, &city, &mut [0; 3]).await;
    let wrong = not_issued(&east, &renewal(of_city)).await;
    assert!(wrong.contains("不是由本节点准入的"), "{wrong}");
    let wrong = not_issued(&east, &renewal(CITY_SEAT)).await;
    assert!(wrong.contains("rotate"), "{wrong}");
    let wrong = not_issued(&east, &renewal(SeatId([99; 16]))).await;
    assert!(wrong.contains("没有这个席位"), "{wrong}");
    let (code, _) = issue(
        &city,
        &Invite {
            pre_approved: true,
            reason: "密钥丢失".to_owned(),
            ..renewal(of_east)
        },
    )
    .await;
    let newcomer = Newcomer::fresh();
    let approved = newcomer.ask(&city, &code).await.approved();
    assert_eq!(
        approved.identity.identity().node,
        east.seat(),
        "its node stays"
    );
    // the district lets it in under the keys that the city has given it, with the connection that it comes on
    let mut cursors = [0; 3];
    sync(&city, &east, &mut cursors).await;
    let directory = east.directory().clone();
    let identity = directory.identity(&of_east).expect("in force").identity();
    assert_eq!(identity.keys, newcomer.keys);
}

/// A city in a folder of its own, as its program founds it.
fn founded(folder: &std::path::Path) -> Home {
    let home = Home::at(folder).expect("a home");
    let founding = Founding {
        title: "测试市平台",
        city: CITY,
        organisation: "370100.zx",
        root_seed: [1; 32],
        seeds: Seeds {
            sign: [2; 32],
            seal: [3; 32],
        },
        seat: SeatId([10; 16]),
    };
    home.found_city(&founding).expect("founded");
    home
}

#[tokio::test]
async fn the_city_s_keys_are_replaced_under_the_root() {
    let next = Seeds {
        sign: [4; 32],
        seal: [5; 32],
    };
    let root = SigningKey::from_seed(&[1; 32]);
    for case in ["agree", "lost", "stolen"] {
        let (data, folder) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        let home = founded(data.path());
        let node = from_home(folder.path(), home.credentials().expect("credentials")).await;
        let (_, bureau_seat, _) = let_in(&node, &bureau()).await;
        let keys = home.next_keys_or(&next).expect("keys");
        let former = match case {
            "agree" => Former::Agree,
            "lost" => Former::Lost("硬盘损坏"),
            _ => Former::CalledBack(Reason::Stolen, "机房被盗"),
        };
        let wrong = SigningKey::from_seed(&[8; 32]);
        let refused = node
            .rotate_city(&wrong, &keys, former, &actor(), now())
            .await;
        let refused = refused.expect_err("not the root").to_string();
        assert!(refused.contains("不属于本市现行的根声明"), "{refused}");
        let chain = node
            .rotate_city(&root, &keys, former, &actor(), now())
            .await;
        let chain = chain.expect("rotated");
        let acts = node
            .store()
            .audit_page(&AuditFilter::default(), None, 1)
            .await;
        let act = acts.expect("read").remove(0);
        assert_eq!(
            (act.action.as_str(), act.account.as_str()),
            (Action::Rotate.key(), "wang"),
            "{case}"
        );
        // asked again after a crash it says the same
        let again = node
            .rotate_city(&root, &keys, former, &actor(), now())
            .await;
        let same = |a: &Envelope| a.reference();
        assert_eq!(
            again
                .map_err(|e| e.to_string())
                .expect("rotated")
                .iter()
                .map(same)
                .collect::<Vec<_>>(),
            chain.iter().map(same).collect::<Vec<_>>(),
            "{case}"
        );
        home.replace_keys(&chain).expect("replaced");
        node.store().close().await;
        drop(node);
        let credentials = home.credentials().expect("credentials");
        assert_eq!(credentials.keys.public(), keys.public());
        assert_eq!(credentials.seat, SeatId([10; 16]));
        let node = from_home(folder.path(), credentials).await;
        let identity = node.identity();
        assert_eq!((identity.serial, &identity.keys), (2, &keys.public()));
        let directory = node.directory();
        assert!(directory.identity(&node.seat()).is_some(), "{case}");
        let revoked = directory.revocation(&node.seat());
        assert_eq!(revoked.is_some(), case == "stolen");
        // whom the former keys have let in stands
        assert!(directory.identity(&bureau_seat).is_some(), "{case}");
    }
}
