//! What a session asks of the agent, and what the agent answers.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use protocol::envelope::Envelope;
use protocol::frame::{
    CLASSES, Cursor, Digest, FRAME_HIGHEST, GoodbyeCode, Health, Hello, ITEM_HIGHEST, Interest,
    Item, LogEntry, LogsEnd, PageCode, Presence, Resume, Scope, Token, Want,
};
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::{Lane, SeatId};
use protocol::presence;
use protocol::session::{Acceptance, Answer, Page};
use protocol::statement::SeatKind;
use runtime::link::driver::SessionEnd;
use runtime::link::host::{Beginning, Channel, FeedRequest, Given, Group, Host, HostFault};
use runtime::link::registry::{Ask, Handle};
use runtime::release;
use store::seat::{SealedRow, SeatError, Skipped};

use super::receipts::Held;
use super::view::{LinkState, NodeWord};
use super::{NodePeer, Uplink, own_node};

fn here(error: SeatError) -> HostFault {
    HostFault::Here(runtime::worker::chain(&error))
}

fn item(row: SealedRow) -> Item {
    if row.batch.sequence == 0 {
        return Item::Envelope(row.batch.header);
    }
    Item::Slice {
        header: row.batch.header,
        body: row.batch.body,
    }
}

impl Host for Uplink {
    type Peer = NodePeer;

    async fn introduce(&self, channel: Channel) -> Result<Hello, HostFault> {
        let seat = self.0.seat;
        let (mut chain, authority) = {
            let state = self.lock();
            (state.directory.chain(&[seat]), state.directory.authority())
        };
        // the first root is not for the hello: each side has its own
        chain.retain(|reference| *reference != authority);
        let mut statements = self.shown(&chain);
        statements.truncate(limits::HELLO_ENVELOPES_MAX);
        Ok(Hello {
            frames: FRAME_HIGHEST,
            items: ITEM_HIGHEST,
            instance: self.0.instance,
            incarnation: self.0.incarnation,
            release: release::VERSION.to_owned(),
            seats: vec![Presence {
                seat,
                signatures: presence::sign(&seat, &channel.exporter, &self.0.key),
            }],
            statements,
        })
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, NodePeer), HostFault> {
        let refuse = |text: String| HostFault::Peer {
            code: GoodbyeCode::NotAdmitted,
            text,
        };
        // in a copy: what a hello shows counts only once it is kept (D50)
        let mut scratch = self.lock().directory.clone();
        let believed = hello
            .verify(&mut scratch, &channel.exporter)
            .map_err(|fault| HostFault::Peer {
                code: fault.code(),
                text: format!(
                    "对端身份验证未通过（{fault}），不向其发送任何数据；请核对所连地址是否为签发接入码的平台"
                ),
            })?;
        let Some(identity) = believed.identities.first().cloned() else {
            return Err(refuse("对端未出示身份".to_owned()));
        };
        if identity.kind == SeatKind::Department {
            return Err(refuse("对端是部门代理，不是平台节点".to_owned()));
        }
        // the hello may bring the word by which another node is ours now
        let is_ours = own_node(&scratch, &self.0.seat) == Some(identity.seat);
        if identity.kind == SeatKind::District && !is_ours {
            return Err(refuse(format!(
                "所连的「{}」不是本代理所属的平台，不向其发送任何数据；请核对配置中的地址与域名解析",
                identity.title
            )));
        }
        let shown = hello.statements.iter();
        let shown = shown.filter_map(|bytes| Envelope::from_bytes(bytes).ok());
        let needed = believed.needed.into_iter().chain(shown).collect();
        self.take_statements(needed).await.map_err(here)?;
        Ok((
            identity.seat,
            NodePeer {
                identity,
                incarnation: hello.incarnation,
                release: hello.release,
            },
        ))
    }

    async fn accept(&self, peer: &NodePeer) -> Result<Acceptance, HostFault> {
        let logs = self.own_logs().await.map_err(here)?;
        let seat = peer.identity.seat;
        let state = self.lock();
        let cursors = state
            .cursors
            .get(&seat)
            .filter(|(incarnation, _)| *incarnation == peer.incarnation)
            .map(|(_, cursors)| *cursors);
        // its own word first, then those of the nodes above it
        let mut held: Vec<(bool, &Held)> = state
            .receipts
            .iter()
            .map(|((holder, _), held)| (*holder != seat, held))
            .collect();
        held.sort_by_key(|(above, held)| (*above, held.receipt.log.lane));
        let words = held
            .into_iter()
            .take(limits::RESUME_WORDS_MAX)
            .map(|(_, held)| held.envelope.to_bytes())
            .collect();
        drop(state);
        Ok(Acceptance {
            cursors,
            interest: Interest::default(),
            words,
            logs,
            without_city: false,
            digest: self.digest_of(&seat),
        })
    }

    async fn established(
        &self,
        peer: &NodePeer,
        resume: Resume,
        handle: Handle,
    ) -> Result<Beginning, HostFault> {
        self.begin(peer, &resume, Some(handle)).await.map_err(here)
    }

    async fn feed_anew(&self, peer: &NodePeer, class: u8) -> Result<(), HostFault> {
        self.note_cursor(peer, class, Cursor::default());
        Ok(())
    }

    async fn refused(&self, peer: &NodePeer, class: u8, offset: u64, text: String) {
        let skipped = Skipped {
            peer: peer.identity.seat,
            class,
            offset,
            reason: text,
            release: peer.release.clone(),
            at_ms: self.now_ms(),
        };
        tracing::error!(peer = %skipped.peer, class, offset, reason = skipped.reason, "the node refused an item of our feed; it is skipped");
        if let Err(error) = self.0.store.skip(&skipped).await {
            tracing::error!(%error, "the refused item could not be noted; it will be refused again");
        }
        let mut state = self.lock();
        let same = |known: &Skipped| {
            (known.peer, known.class, known.offset) == (skipped.peer, skipped.class, skipped.offset)
        };
        state.skipped.retain(|known| !same(known));
        state.skipped.push(skipped);
    }

    async fn read_feed(&self, _peer: &NodePeer, request: FeedRequest) -> Result<Page, HostFault> {
        let Some(lane) = Lane::from_u8(request.class) else {
            return Ok(Page::default());
        };
        let head = self.0.progress.sendable.load(Ordering::Acquire);
        let upto = request.upto.map_or(head, |u| u.min(head));
        if upto <= request.after {
            return Ok(Page {
                through: request.after,
                ..Page::default()
            });
        }
        let bytes_max = usize::try_from(request.bytes_max).unwrap_or(usize::MAX);
        let (rows, all) = self
            .0
            .store
            .sealed_after(lane, request.after, upto, bytes_max)
            .await
            .map_err(here)?;
        let through = match rows.last() {
            Some(last) if !all => last.offset,
            _ => upto,
        };
        let token = self.0.store.token_at(through).await.map_err(here)?;
        Ok(Page {
            items: rows
                .into_iter()
                .map(|row| (row.offset, Token(row.token), item(row)))
                .collect(),
            through,
            token: Token(token.unwrap_or_default()),
            more: !all,
        })
    }

    async fn acknowledged(
        &self,
        _peer: &NodePeer,
        class: u8,
        through: u64,
    ) -> Result<(), HostFault> {
        let Some(lane) = Lane::from_u8(class) else {
            return Ok(());
        };
        // it lets sealing go on and nothing be forgotten: for that a receipt is needed
        let sequence = self
            .0
            .store
            .sequence_at(lane, through)
            .await
            .map_err(here)?;
        let before =
            self.0.progress.acknowledged[lane.index()].fetch_max(sequence, Ordering::Relaxed);
        if sequence > before {
            self.0.sealing.ring();
        }
        Ok(())
    }

    async fn take_in(&self, peer: &NodePeer, group: Group) -> Result<(), HostFault> {
        // only who signs receipts is of interest here, and what concerns ourselves
        let statements = group
            .items
            .iter()
            .filter_map(|(_, item)| match item {
                Item::Envelope(bytes) => Envelope::from_bytes(bytes).ok(),
                _ => None,
            })
            .collect();
        self.take_statements(statements).await.map_err(here)?;
        self.note_cursor(peer, group.class, group.through);
        Ok(())
    }

    async fn receipts(&self, peer: &NodePeer, receipts: Vec<Vec<u8>>) -> Result<(), HostFault> {
        for bytes in receipts {
            self.take_word(peer, &bytes).await.map_err(here)?;
        }
        Ok(())
    }

    async fn logs(
        &self,
        _peer: &NodePeer,
        entries: Vec<LogEntry>,
        end: LogsEnd,
    ) -> Result<(), HostFault> {
        for entry in entries.iter().filter(|entry| entry.seat == self.0.seat) {
            self.compare(entry).await.map_err(here)?;
        }
        self.note_logs(&entries, end);
        if end != LogsEnd::More {
            self.note_asked();
        }
        Ok(())
    }

    async fn health(&self, peer: &NodePeer, health: Vec<Health>) -> Result<(), HostFault> {
        self.note_health(peer, &health);
        Ok(())
    }

    async fn digest(&self, _peer: &NodePeer, theirs: Digest) -> Result<bool, HostFault> {
        // an agent holds its own chain only
        let ours = self.digest_of(&self.0.seat);
        Ok(theirs.scope == Scope::Chain && (theirs.count, theirs.sum) != (ours.count, ours.sum))
    }

    async fn serve_statements(
        &self,
        peer: &NodePeer,
        scope: Scope,
        after: Ref,
    ) -> Result<(Vec<Ref>, bool), HostFault> {
        if scope != Scope::Chain {
            return Ok((Vec::new(), true));
        }
        let mut page = self.chain_of(&[peer.identity.seat]);
        page.retain(|reference| *reference > after);
        let last = page.len() <= limits::STATEMENT_PAGE_MAX;
        page.truncate(limits::STATEMENT_PAGE_MAX);
        Ok((page, last))
    }

    async fn statements(
        &self,
        _peer: &NodePeer,
        scope: Scope,
        references: Vec<Ref>,
        _last: bool,
    ) -> Result<(), HostFault> {
        if scope != Scope::Chain {
            return Ok(());
        }
        for missing in self.missing(references) {
            let (id, handle) = {
                let mut state = self.lock();
                if state.wants.len() >= WANTS_MAX {
                    return Ok(());
                }
                let Some(handle) = state.handle.clone() else {
                    return Ok(());
                };
                state.wanted += 1;
                let id = state.wanted;
                state.wants.insert(id, missing.clone());
                (id, handle)
            };
            let ask = Ask {
                id,
                want: Want::Statements(missing),
                resume: Vec::new(),
            };
            if !handle.want(ask).await {
                break;
            }
        }
        Ok(())
    }

    async fn serve_want(
        &self,
        _peer: &NodePeer,
        want: Want,
        place: Vec<u8>,
    ) -> Result<Answer, HostFault> {
        let built_at = self.0.progress.sendable.load(Ordering::Acquire);
        let ours = |seat, opening| seat == self.0.seat && opening == self.0.opening;
        match want {
            Want::Range {
                seat,
                lane,
                opening,
                from,
                to,
            } if ours(seat, opening) => {
                let Some(lane) = Lane::from_u8(lane) else {
                    return Ok(Answer::none(PageCode::NotHeld));
                };
                self.range(lane, from, to, &place, built_at).await
            }
            Want::Header {
                seat,
                lane,
                opening,
                sequence,
            } if ours(seat, opening) => {
                let Some(lane) = Lane::from_u8(lane) else {
                    return Ok(Answer::none(PageCode::NotHeld));
                };
                let rows = self.0.store.sealed_range(lane, sequence, sequence).await;
                let kept = rows.map_err(here)?.pop();
                let kept = kept.filter(|row| row.offset <= built_at);
                let Some(row) = kept else {
                    return Ok(Answer::none(PageCode::NotHeld));
                };
                Ok(Answer {
                    built_at,
                    header: Some(self.entry(lane, sequence, row.batch.header)),
                    ..Answer::none(PageCode::Given)
                })
            }
            Want::Statements(references) => {
                let shown = self.shown(&references);
                if shown.is_empty() {
                    return Ok(Answer::none(PageCode::NotHeld));
                }
                Ok(Answer {
                    built_at,
                    items: shown.into_iter().map(Item::Envelope).collect(),
                    ..Answer::none(PageCode::Given)
                })
            }
            Want::Unread { .. } => Ok(Answer::none(PageCode::NotUnderstood)),
            _ => Ok(Answer::none(PageCode::NotHeld)),
        }
    }

    async fn want_page(
        &self,
        _peer: &NodePeer,
        number: u64,
        given: Given,
    ) -> Result<Option<Ask>, HostFault> {
        let Some(wanted) = self.lock().wants.get(&number).cloned() else {
            return Ok(None);
        };
        let statements = given
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Envelope(bytes) => Envelope::from_bytes(bytes).ok(),
                _ => None,
            })
            .collect();
        self.take_statements(statements).await.map_err(here)?;
        let Some(resume) = given.next else {
            self.lock().wants.remove(&number);
            return Ok(None);
        };
        Ok(Some(Ask {
            id: number,
            want: Want::Statements(wanted),
            resume,
        }))
    }

    async fn closed(&self, peer: &NodePeer, end: &SessionEnd) {
        tracing::info!(peer = %peer.identity.seat, reason = end.text, "session ended");
        self.note_trouble(&end.text);
        let mut state = self.lock();
        state.link.revoked = end.by_peer && end.code == Some(GoodbyeCode::Revoked);
        state.handle = None;
        state.wants.clear();
    }
}

impl Uplink {
    /// A session stands: from where our feed goes on for the peer, and without what.
    pub(super) async fn begin(
        &self,
        peer: &NodePeer,
        resume: &Resume,
        handle: Option<Handle>,
    ) -> Result<Beginning, SeatError> {
        let seat = peer.identity.seat;
        tracing::info!(peer = %seat, title = peer.identity.title, "session established");
        let mut anew = false;
        for cursor in &resume.cursors {
            let ours = self.0.store.token_at(cursor.offset).await?;
            if ours != Some(cursor.token.0) {
                tracing::warn!(peer = %seat, offset = cursor.offset, "cursor is not one of our feed, it begins anew");
                anew = true;
            }
        }
        self.0.store.unskip(seat, &peer.release).await?;
        let skipped = self.0.store.skipped().await?;
        let skip: BTreeSet<(u8, u64)> = skipped
            .iter()
            .filter(|skipped| skipped.peer == seat)
            .map(|skipped| (skipped.class, skipped.offset))
            .collect();
        let now_ms = self.now_ms();
        {
            let mut state = self.lock();
            state.note_incarnation(seat, peer.incarnation, true);
            state.skipped = skipped;
            state.link = LinkState {
                up: true,
                peer: peer.identity.title.clone(),
                since_ms: now_ms,
                ..LinkState::default()
            };
            state.peer = Some(seat);
            state.handle.clone_from(&handle);
            state.sessions += 1;
            state.node = NodeWord::default();
            state.wants.clear();
        }
        self.0.unkept.store(true, Ordering::Release);
        if let Some(handle) = handle {
            handle.grown();
        }
        Ok(Beginning { anew, skip })
    }

    fn note_cursor(&self, peer: &NodePeer, class: u8, cursor: Cursor) {
        let mut state = self.lock();
        let start = (peer.incarnation, [Cursor::default(); CLASSES]);
        let known = state.cursors.entry(peer.identity.seat).or_insert(start);
        if known.0 != peer.incarnation {
            *known = start;
        }
        if let Some(slot) = known.1.get_mut(usize::from(class)) {
            *slot = cursor;
        }
    }

    /// A page of our own log.
    async fn range(
        &self,
        lane: Lane,
        from: u64,
        to: u64,
        place: &[u8],
        built_at: u64,
    ) -> Result<Answer, HostFault> {
        let newest = self.0.progress.sealed[lane.index()].load(Ordering::Relaxed);
        let last = if to == 0 { newest } else { to.min(newest) };
        let first = <[u8; 8]>::try_from(place)
            .map_or(from, |place| u64::from_be_bytes(place).saturating_add(1));
        if first > last {
            return Ok(Answer::none(PageCode::NotHeld));
        }
        let rows = self.0.store.sealed_range(lane, first, last).await;
        let mut rows = rows.map_err(here)?;
        // what is not marked may not leave
        rows.retain(|row| row.offset <= built_at);
        if rows.is_empty() {
            return Ok(Answer::none(PageCode::NotHeld));
        }
        let next = rows
            .last()
            .map(|row| row.batch.sequence)
            .filter(|sequence| *sequence < last)
            .map(|sequence| sequence.to_be_bytes().to_vec());
        Ok(Answer {
            built_at,
            items: rows.into_iter().map(item).collect(),
            next,
            ..Answer::none(PageCode::Given)
        })
    }
}

/// Wants for statements that are open at a time.
const WANTS_MAX: usize = 16;
