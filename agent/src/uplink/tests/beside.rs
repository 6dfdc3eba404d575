//! What others show of the agent's own log stops its sealing when it is not what is here.

use super::*;

/// The folder as it is now: put back later, it is an old copy.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(w: &World) -> Self {
        let copy = Self(tempfile::tempdir().expect("folder"));
        copy_all(w.home.folder(), copy.0.path());
        copy
    }

    /// Puts the copy back in place of the folder, mark and all, as a snapshot of the machine does.
    fn put_back(&self, folder: &std::path::Path) {
        for entry in std::fs::read_dir(folder).expect("listing").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => std::fs::remove_dir_all(path).expect("removed"),
                false => std::fs::remove_file(path).expect("removed"),
            }
        }
        copy_all(self.0.path(), folder);
    }
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).expect("listing").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("folder");
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// An agent whose folder was put back two batches after the copy was made, and what others hold of it: the newest header as
/// its node shows it, and the city's receipt.
async fn put_back() -> (World, LogEntry, Vec<u8>) {
    let mut w = World::new().await;
    w.store.close().await;
    let copy = Copy::of(&w);
    w = {
        let (folder, node) = (w.folder, w.node);
        drop((w.uplink, w.sealer, w.store));
        World::open(folder, node).await
    };
    w.seal(Lane::Records).await;
    let mut logs = w.uplink.accept(&district()).await.expect("accepted").logs;
    let newest = logs.pop().expect("records");
    assert_eq!(newest.taken_in, 3);
    let receipt = THE_CITY.sign(&w.receipt(THE_CITY, 3, 0).await);
    w.store.close().await;
    let (folder, node) = (w.folder, w.node);
    drop((w.uplink, w.sealer, w.store));
    copy.put_back(folder.path());
    (World::open(folder, node).await, newest, receipt)
}

/// Seals nothing any more, keeps what waits and says why.
async fn assert_halted(w: &mut World, words: &[&str]) {
    let why = w.progress.halted().expect("halted");
    for word in words {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert!(
        why.contains("已停止封装") && why.contains("不会丢失"),
        "{why}"
    );
    let before = w.kept().await;
    capture(
        &w.store,
        Lane::Records,
        &[entry("later", "X", None)],
        NOW_MS,
    )
    .await;
    assert!(w.sealer.step(NOW_MS + 99_000, random).await.is_err());
    let state = w.store.queue_state().await.expect("state");
    assert_eq!((state.sealed_batches, state.unsealed_entries), (before, 1));
}

async fn hear(w: &World, entry: &LogEntry) {
    let entries = vec![entry.clone()];
    let heard = w.uplink.logs(&district(), entries, LogsEnd::Complete).await;
    heard.expect("heard");
}

/// A snapshot that brings its mark back with it proves nothing: the node's word does, by the header that we signed.
#[tokio::test]
async fn a_folder_that_was_put_back_stops_when_the_node_shows_what_it_has() {
    let (mut w, newest, _) = put_back().await;
    assert!(!w.uplink.has_asked(), "before that nothing is sealed");
    hear(&w, &newest).await;
    assert_halted(
        &mut w,
        &["第 3 批，而本机只到第 2 批", "换回最新的数据目录"],
    )
    .await;
    // and after a start it is still an old copy
    let w = w.restart().await;
    assert!(w.progress.halted().is_some());
}

#[tokio::test]
async fn a_folder_that_was_put_back_stops_when_a_receipt_names_what_it_has_not() {
    let (mut w, _, receipt) = put_back().await;
    assert_eq!(
        w.take(&district(), &[receipt]).await,
        3,
        "nothing is let go"
    );
    assert!(w.uplink.receipt_views().is_empty());
    assert_halted(&mut w, &["第 3 批，而本机只到第 2 批"]).await;
}

/// It sealed before it could be told: there are two headers at one place.
#[tokio::test]
async fn another_header_at_our_place_stops_sealing() {
    let (mut w, newest, _) = put_back().await;
    w.seal(Lane::Records).await;
    hear(&w, &newest).await;
    assert_halted(&mut w, &["第 3 批与本机的不同"]).await;
    let (mut w, _, receipt) = put_back().await;
    w.seal(Lane::Records).await;
    w.take(&district(), &[receipt]).await;
    assert_halted(&mut w, &["第 3 批与本机的不同"]).await;
}

/// What is kept as evidence is judged anew at every start: with the newest folder back, everything goes on.
#[tokio::test]
async fn the_newest_folder_put_back_goes_on_by_itself() {
    let mut w = World::new().await;
    let newest = w.uplink.accept(&district()).await.expect("accepted").logs;
    let newest = newest.last().expect("records").clone();
    // evidence that is none any more: this header is here
    w.store
        .put_meta("beside", &newest.header)
        .await
        .expect("put");
    w = w.restart().await;
    assert_eq!(w.progress.halted(), None);
    assert_eq!(w.store.meta("beside").await.expect("meta"), None);
    w.seal(Lane::Records).await;
    assert_eq!(w.kept().await, 4);
}

/// Another folder of the same seat that was set up from nothing has opened an epoch of its own.
#[tokio::test]
async fn an_opening_that_is_not_ours_stops_sealing() {
    let mut w = World::new().await;
    let opening = protocol::statement::EpochOpening::from_bytes(&w.sealer.opening().bytes);
    let mut other = opening.expect("an opening");
    other.nonce = [0; 16];
    let kind = protocol::envelope::kind::OPENING;
    let forged = Envelope::signed(kind, 1, other.to_bytes(), &testing::key(1));
    let signed = Envelope::signed(kind, 1, other.to_bytes(), &w.admission.key);
    let mut told = w.uplink.accept(&district()).await.expect("accepted").logs[0].clone();
    told.opening_envelope = forged.to_bytes();
    hear(&w, &told).await;
    assert_eq!(w.progress.halted(), None, "nobody's word");
    told.opening_envelope = signed.to_bytes();
    told.opening = testing::reference(&signed);
    hear(&w, &told).await;
    assert_halted(&mut w, &["另一份启用声明"]).await;
    // its own receipts are those of our epoch all the same
    assert!(
        w.uplink
            .lock()
            .directory
            .opening_stands(&w.log(Lane::Records).opening)
    );
}

/// Words that we have not signed stop nothing: a node may say what it likes of where we are.
#[tokio::test]
async fn what_we_have_not_signed_stops_nothing() {
    let w = World::new().await;
    let own = w.uplink.accept(&district()).await.expect("accepted").logs;
    let own = own.last().expect("records").clone();
    let check = async |what: &str, change: &dyn Fn(&mut LogEntry)| {
        let mut told = own.clone();
        change(&mut told);
        hear(&w, &told).await;
        assert_eq!(w.progress.halted(), None, "{what}");
    };
    check("as it is", &|_| {}).await;
    check("a number", &|e| e.taken_in = 99).await;
    check("a state", &|e| e.state = LogState::Stopped).await;
    check("no header", &|e| e.header.clear()).await;
    check("broken bytes", &|e| e.header = vec![1, 2, 3]).await;
    check("a header with a changed sequence", &|e| {
        let mut header = Envelope::from_bytes(&e.header).expect("a header");
        let at = 16 + 1 + 4 + 33 + 7;
        header.bytes[at] = 9;
        e.header = header.to_bytes();
    })
    .await;
    check("of another seat", &|e| e.seat = SeatId([9; 16])).await;
}
