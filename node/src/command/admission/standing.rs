//! Whether a seat that was let in may come in now, and parting with those that may not any more.

use protocol::frame::GoodbyeCode;
use protocol::name::SeatId;
use protocol::statement::Identity;
use store::{PeerState, RevokedRow, StoreError};

use super::super::actor::{Action, Actor};
use crate::node::Node;

impl Node {
    /// Whether a seat that has proven the keys of its identity may come in on a connection with this TLS key. The error is
    /// what it is told.
    pub(crate) async fn may_come_in(
        &self,
        identity: &Identity,
        tls_key: [u8; 32],
        now_us: i64,
    ) -> Result<Result<(), (GoodbyeCode, String)>, StoreError> {
        let Some(row) = self.store().peer(identity.seat).await? else {
            return Ok(Ok(()));
        };
        let fingerprint = identity.keys.fingerprint().to_string();
        if row.fingerprint != fingerprint {
            // another issuer has given it other keys since it was let in here, and it has proven these
            let told = format!("{}，指纹 {}", identity.title, &fingerprint[..20]);
            let actor = Actor::statement(&self.issuer_of(&identity.seat));
            let act = actor.act(
                Action::PeerRenewed,
                &identity.seat.to_string(),
                &told,
                now_us,
            );
            self.store()
                .peer_renewed(identity.seat, &fingerprint, tls_key, &act)
                .await?;
            return Ok(Ok(()));
        }
        if row.state == PeerState::Revoked {
            let text = format!("本节点已停止「{}」的接入：{}", identity.title, row.reason);
            return Ok(Err((GoodbyeCode::Revoked, text)));
        }
        if row.tls_key != [0; 32] && row.tls_key != tls_key {
            let text = format!(
                "「{}」所用的连接密钥不是其入网时登记的那一把。若更换了机器或重装，请用续期接入码重新入网",
                identity.title
            );
            return Ok(Err((GoodbyeCode::NotAdmitted, text)));
        }
        Ok(Ok(()))
    }

    /// Who has issued a seat's newest identity, by name.
    fn issuer_of(&self, seat: &SeatId) -> String {
        let directory = self.directory();
        let newest = directory.newest_identity(seat);
        let issuer = newest.and_then(|i| directory.identity_by_ref(&i.identity().issuer));
        issuer.map_or_else(|| "上级".to_owned(), |i| i.identity().title.clone())
    }

    /// Whether a seat that is known may not speak any more.
    pub(crate) fn is_called_back(&self, seat: &SeatId) -> bool {
        let directory = self.directory();
        directory.newest_identity(seat).is_some() && directory.identity(seat).is_none()
    }

    /// Why a seat may not speak any more, for people.
    pub(crate) fn called_back_text(&self, seat: &SeatId) -> String {
        let directory = self.directory();
        match directory.revocation(seat) {
            Some(revocation) => format!("本席位已被撤销：{}", revocation.statement().reason),
            None => "准入本席位的节点已被撤销".to_owned(),
        }
    }

    /// Writes down which peers are let in here and were called back, here or elsewhere. Returns the TLS keys by which no peer
    /// comes in any more.
    pub(crate) async fn note_called_back(&self, now_us: i64) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut peers = self.store().peers().await?;
        for row in &mut peers {
            if row.state != PeerState::Approved || !self.is_called_back(&row.seat) {
                continue;
            }
            let reason = self.called_back_text(&row.seat);
            let by = self.revoker_of(&row.seat);
            let act = Actor::statement(&by).act(
                Action::PeerRevoked,
                &row.seat.to_string(),
                &format!("{}，{reason}", row.title),
                now_us,
            );
            let revoked = RevokedRow {
                seat: row.seat,
                reason,
                by,
                at_us: now_us,
            };
            self.store().peer_revoked(&revoked, &act).await?;
            row.state = PeerState::Revoked;
        }
        let stands = |key: &[u8; 32]| {
            let mut all = peers.iter();
            all.any(|row| row.tls_key == *key && row.state == PeerState::Approved)
        };
        let over = peers.iter().filter(|row| row.state == PeerState::Revoked);
        Ok(over
            .map(|row| row.tls_key)
            .filter(|key| !stands(key))
            .collect())
    }

    /// Who has called a seat back, by name.
    fn revoker_of(&self, seat: &SeatId) -> String {
        let directory = self.directory();
        let issuer = directory
            .revocation(seat)
            .and_then(|r| directory.identity_by_ref(&r.statement().issuer));
        issuer.map_or_else(|| "上级".to_owned(), |i| i.identity().title.clone())
    }
}
