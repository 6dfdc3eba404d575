//! Admission: invitations, each good for one use, and the peers that asked to join.

use protocol::name::SeatId;

use crate::audit::put_act;
use crate::engine::{Row, Tx, args, own};
use crate::{AuditRow, InvitationRow, InvitationUse, PeerRow, PeerState, Store, StoreError};

const INVITATION: &str = "SELECT secret_hash, seat, kind, title, department, jurisdiction, preapproved, scope, \
     expires_at_us, issued_by, at_us, used_at_us FROM invitation";

const PEER: &str = "SELECT seat, kind, title, department, jurisdiction, tls_key, state, reason, fingerprint, \
     decided_by, at_us, last_contact_us FROM peer";

impl Store {
    /// Keeps a new invitation, with the act of issuing it. One with the same secret is not replaced, and there was no act:
    /// returns whether it was new.
    pub async fn invitation_put(
        &self,
        row: &InvitationRow,
        act: &AuditRow,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_act().await?;
        let put = tx
            .exec(
                "INSERT INTO invitation (secret_hash, seat, kind, title, department, jurisdiction, preapproved, \
                 scope, expires_at_us, issued_by, at_us, used_at_us) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (secret_hash) DO NOTHING",
                args![
                    row.secret_hash,
                    row.seat,
                    row.kind,
                    row.title.as_str(),
                    row.department.as_str(),
                    row.jurisdiction.as_str(),
                    row.preapproved,
                    row.scope.as_slice(),
                    row.expires_at_us,
                    row.by.as_str(),
                    row.at_us,
                    row.used_at_us
                ],
            )
            .await?;
        if put == 0 {
            return Ok(false);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The invitation with this secret.
    pub async fn invitation_get(
        &self,
        secret_hash: [u8; 32],
    ) -> Result<Option<InvitationRow>, StoreError> {
        let rows = self
            .rows(
                own(format!("{INVITATION} WHERE secret_hash = $1")),
                args![secret_hash],
            )
            .await?;
        rows.first().map(invitation).transpose()
    }

    /// Uses an invitation up. Of any number of concurrent attempts one succeeds.
    pub async fn invitation_use_once(
        &self,
        secret_hash: [u8; 32],
        now_us: i64,
    ) -> Result<InvitationUse, StoreError> {
        let mut tx = self.begin().await?;
        let used = tx
            .exec(
                "UPDATE invitation SET used_at_us = $2 \
                 WHERE secret_hash = $1 AND used_at_us IS NULL AND expires_at_us > $2",
                args![secret_hash, now_us],
            )
            .await?;
        let rows = tx
            .rows(
                own(format!("{INVITATION} WHERE secret_hash = $1")),
                args![secret_hash],
            )
            .await?;
        tx.commit().await?;
        let Some(row) = rows.first().map(invitation).transpose()? else {
            return Ok(InvitationUse::Unknown);
        };
        Ok(match row.used_at_us {
            _ if used == 1 => InvitationUse::Used(row),
            Some(at) => InvitationUse::UsedBefore(at),
            None => InvitationUse::Expired(row.expires_at_us),
        })
    }

    /// All invitations, newest first.
    pub async fn invitations(&self) -> Result<Vec<InvitationRow>, StoreError> {
        let rows = self
            .rows(
                own(format!("{INVITATION} ORDER BY at_us DESC, secret_hash")),
                args![],
            )
            .await?;
        rows.iter().map(invitation).collect()
    }

    /// Keeps a peer, with the act by which it became what it is; a known seat's row is replaced, its last contact stays.
    pub async fn peer_put(&self, row: &PeerRow, act: &AuditRow) -> Result<(), StoreError> {
        let mut tx = self.begin_act().await?;
        put_peer(&mut tx, row).await?;
        put_act(&mut tx, act).await?;
        tx.commit().await
    }

    /// Notes that peers were connected at this time.
    pub async fn peer_contact(&self, seats: &[SeatId], now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for seat in seats {
            tx.exec(
                "UPDATE peer SET last_contact_us = $2 WHERE seat = $1 AND last_contact_us < $2",
                args![*seat, now_us],
            )
            .await?;
        }
        tx.commit().await
    }

    /// All peers.
    pub async fn peers(&self) -> Result<Vec<PeerRow>, StoreError> {
        self.rows(
            own(format!("{PEER} ORDER BY jurisdiction, department, seat")),
            args![],
        )
        .await?
        .iter()
        .map(peer)
        .collect()
    }

    /// The peer with this seat.
    pub async fn peer(&self, seat: SeatId) -> Result<Option<PeerRow>, StoreError> {
        self.rows(own(format!("{PEER} WHERE seat = $1")), args![seat])
            .await?
            .first()
            .map(peer)
            .transpose()
    }

    /// All seats that are presented under this key.
    pub async fn peers_by_tls_key(&self, tls_key: [u8; 32]) -> Result<Vec<PeerRow>, StoreError> {
        self.rows(
            own(format!("{PEER} WHERE tls_key = $1 ORDER BY seat")),
            args![tls_key],
        )
        .await?
        .iter()
        .map(peer)
        .collect()
    }
}

/// Keeps a peer, in the transaction of what made it so.
pub(crate) async fn put_peer(tx: &mut Tx, row: &PeerRow) -> Result<(), StoreError> {
    tx.exec(
            "INSERT INTO peer (seat, kind, title, department, jurisdiction, tls_key, state, reason, fingerprint, \
             decided_by, at_us, last_contact_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (seat) DO UPDATE SET kind = excluded.kind, title = excluded.title, \
             department = excluded.department, jurisdiction = excluded.jurisdiction, tls_key = excluded.tls_key, \
             state = excluded.state, reason = excluded.reason, fingerprint = excluded.fingerprint, \
             decided_by = excluded.decided_by, at_us = excluded.at_us",
            args![
                row.seat,
                row.kind,
                row.title.as_str(),
                row.department.as_str(),
                row.jurisdiction.as_str(),
                row.tls_key,
                row.state as u8,
                row.reason.as_str(),
                row.fingerprint.as_str(),
                row.by.as_str(),
                row.at_us,
                row.last_contact_us
            ],
    )
    .await?;
    Ok(())
}

fn invitation(row: &Row) -> Result<InvitationRow, StoreError> {
    Ok(InvitationRow {
        secret_hash: row.fixed(0, "invitation")?,
        seat: row.seat(1)?,
        kind: row.small(2, "invitation")?,
        title: row.text(3)?,
        department: row.text(4)?,
        jurisdiction: row.text(5)?,
        preapproved: row.int(6)? == 1,
        scope: row.blob(7)?,
        expires_at_us: row.int(8)?,
        by: row.text(9)?,
        at_us: row.int(10)?,
        used_at_us: row.int_opt(11)?,
    })
}

fn peer(row: &Row) -> Result<PeerRow, StoreError> {
    const WHAT: &str = "peer";
    Ok(PeerRow {
        seat: row.seat(0)?,
        kind: row.small(1, WHAT)?,
        title: row.text(2)?,
        department: row.text(3)?,
        jurisdiction: row.text(4)?,
        tls_key: row.fixed(5, WHAT)?,
        state: PeerState::from_u8(row.small(6, WHAT)?).ok_or(StoreError::Corrupt { what: WHAT })?,
        reason: row.text(7)?,
        fingerprint: row.text(8)?,
        by: row.text(9)?,
        at_us: row.int(10)?,
        last_contact_us: row.int(11)?,
    })
}
