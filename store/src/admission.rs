//! Admission: invitations with the request that has used each, organisation codes, and the peers that were let in.
//!
//! Whatever is looked at and then acted upon is one transaction: the first keys are bound to a code by one statement, and a
//! request is let in by one that finds it pending under these keys.

use std::collections::BTreeMap;

use protocol::name::SeatId;

use crate::audit::put_act;
use crate::engine::{Row, Tx, args, own};
use crate::{
    ApprovalRow, AuditRow, Decision, DecisionRow, InvitationPut, InvitationRow, OrganisationRow,
    OthersRow, PeerRow, PeerState, RequestPut, RequestRow, RevokedRow, Store, StoreError,
};

/// Strangers with the code of another are written down so often; from then on they are only counted.
const OTHERS_WRITTEN_DOWN_MAX: u64 = 20;

const INVITATION: &str = "SELECT secret_hash, seat, kind, organisation, title, jurisdiction, node, renews, types, \
     preapproved, reason, expires_at_us, issued_by, at_us, revoked_by, revoked_at_us, key_hash, keys, possession, \
     consent, asked_title, asked_types, tls_key, address, asked_at_us, decision, decided_by, decided_reason, \
     decided_at_us, others, other_hash, other_address, other_at_us FROM invitation";

const PEER: &str = "SELECT seat, kind, title, organisation, jurisdiction, tls_key, state, reason, fingerprint, \
     decided_by, at_us, last_contact_us FROM peer";

impl Store {
    /// Keeps a new invitation with the act of issuing it, and mints its organisation code unless it is this organisation's
    /// already.
    pub async fn invitation_put(
        &self,
        row: &InvitationRow,
        organisation: &OrganisationRow,
        act: &AuditRow,
    ) -> Result<InvitationPut, StoreError> {
        let mut tx = self.begin_act().await?;
        tx.exec(
            "INSERT INTO organisation (code, title, minted_by, at_us) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (code) DO NOTHING",
            args![
                organisation.code.as_str(),
                organisation.title.as_str(),
                organisation.by.as_str(),
                organisation.at_us
            ],
        )
        .await?;
        let rows = tx
            .rows(
                "SELECT title FROM organisation WHERE code = $1",
                args![organisation.code.as_str()],
            )
            .await?;
        let title = rows.first().map_or(Ok(String::new()), |row| row.text(0))?;
        if title != organisation.title {
            return Ok(InvitationPut::OthersCode(title));
        }
        let put = tx
            .exec(
                "INSERT INTO invitation (secret_hash, seat, kind, organisation, title, jurisdiction, node, renews, types, \
                 preapproved, reason, expires_at_us, issued_by, at_us, decision, others) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0) \
                 ON CONFLICT (secret_hash) DO NOTHING",
                args![
                    row.secret_hash,
                    row.seat,
                    row.kind,
                    row.organisation.as_str(),
                    row.title.as_str(),
                    row.jurisdiction.as_str(),
                    row.node,
                    row.renews,
                    row.types.join("\n"),
                    row.preapproved,
                    row.reason.as_str(),
                    row.expires_at_us,
                    row.by.as_str(),
                    row.at_us
                ],
            )
            .await?;
        if put == 0 {
            return Ok(InvitationPut::SameSecret);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(InvitationPut::Issued)
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

    /// Binds the keys of a request to an invitation if it is valid and no others are; of any number that come at once one is
    /// bound. The first time `bound` is written down, another key's attempt as `other`, both in the same transaction.
    /// Returns what became of it and the invitation as it stands then.
    pub async fn request_put(
        &self,
        secret_hash: [u8; 32],
        request: &RequestRow,
        bound: &AuditRow,
        other: &AuditRow,
        now_us: i64,
    ) -> Result<(RequestPut, Option<InvitationRow>), StoreError> {
        let mut tx = self.begin_act().await?;
        let bind = "UPDATE invitation SET key_hash = $2, keys = $3, possession = $4, consent = $5, asked_title = $6, \
             asked_types = $7, tls_key = $8, address = $9, asked_at_us = $10 \
             WHERE secret_hash = $1 AND key_hash IS NULL AND revoked_at_us IS NULL AND expires_at_us > $10";
        let args = args![
            secret_hash,
            request.key_hash,
            request.keys.as_slice(),
            request.possession.as_slice(),
            request.consent.as_slice(),
            request.title.as_str(),
            request.types.join("\n"),
            request.tls_key,
            request.address.as_str(),
            now_us
        ];
        let mut put = RequestPut::Bound;
        if tx.exec(bind, args).await? == 0 {
            let rows = tx
                .rows(
                    own(format!("{INVITATION} WHERE secret_hash = $1")),
                    args![secret_hash],
                )
                .await?;
            let Some(row) = rows.first().map(invitation).transpose()? else {
                return Ok((RequestPut::Unknown, None));
            };
            put = match &row.request {
                Some(used) if used.key_hash != request.key_hash => {
                    note_other(&mut tx, &row, request, other, now_us).await?;
                    RequestPut::AnotherKey
                }
                _ if row.revoked.is_some() => RequestPut::Revoked,
                None => RequestPut::Expired,
                Some(_) => {
                    // whoever waits may come from elsewhere; once decided, what was decided about stays
                    tx.exec(
                        "UPDATE invitation SET tls_key = $2, address = $3 WHERE secret_hash = $1 AND decision = 0",
                        args![secret_hash, request.tls_key, request.address.as_str()],
                    )
                    .await?;
                    RequestPut::Known
                }
            };
        } else {
            put_act(&mut tx, bound).await?;
        }
        let rows = tx
            .rows(
                own(format!("{INVITATION} WHERE secret_hash = $1")),
                args![secret_hash],
            )
            .await?;
        let row = rows.first().map(invitation).transpose()?;
        tx.commit().await?;
        Ok((put, row))
    }

    /// Turns a pending request down, with the act. `false`: it is not pending any more, and nothing was done.
    pub async fn request_refuse(
        &self,
        secret_hash: [u8; 32],
        by: &str,
        reason: &str,
        act: &AuditRow,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_act().await?;
        let done = tx
            .exec(
                "UPDATE invitation SET decision = 2, decided_by = $2, decided_reason = $3, decided_at_us = $4 \
                 WHERE secret_hash = $1 AND key_hash IS NOT NULL AND decision = 0 AND revoked_at_us IS NULL",
                args![secret_hash, by, reason, now_us],
            )
            .await?;
        if done == 0 {
            return Ok(false);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Calls an invitation back that nobody was let in or turned down with, with the act. `false`: there is nothing to call
    /// back any more, and nothing was done.
    pub async fn invitation_revoke(
        &self,
        secret_hash: [u8; 32],
        by: &str,
        act: &AuditRow,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_act().await?;
        let done = tx
            .exec(
                "UPDATE invitation SET revoked_by = $2, revoked_at_us = $3 \
                 WHERE secret_hash = $1 AND revoked_at_us IS NULL AND decision = 0",
                args![secret_hash, by, now_us],
            )
            .await?;
        if done == 0 {
            return Ok(false);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Calls back all invitations of a seat that nobody was let in or turned down with; how many. The act is written down
    /// if there are any.
    pub async fn invitations_revoke(
        &self,
        seat: SeatId,
        by: &str,
        act: &AuditRow,
        now_us: i64,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_act().await?;
        let done = call_back(&mut tx, seat, by, now_us).await?;
        if done > 0 {
            put_act(&mut tx, act).await?;
        }
        tx.commit().await?;
        Ok(done)
    }

    /// Notes that a peer that is let in was called back by somebody else, with the act. `false`: it is not let in, and
    /// nothing was done.
    pub async fn peer_revoked(&self, row: &RevokedRow, act: &AuditRow) -> Result<bool, StoreError> {
        let mut tx = self.begin_act().await?;
        let done = revoke_peer(&mut tx, row).await?;
        if done == 0 {
            return Ok(false);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Names of organisations by their codes, as they were minted here.
    pub async fn organisations(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = self
            .rows("SELECT code, title FROM organisation", args![])
            .await?;
        rows.iter()
            .map(|row| Ok((row.text(0)?, row.text(1)?)))
            .collect()
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

    /// A peer has proven itself under keys that another issuer has given it since: from now on it is let in under these, with
    /// this TLS key. `false`: these are the keys that it is known under, or it is not known at all; nothing was done.
    pub async fn peer_renewed(
        &self,
        seat: SeatId,
        fingerprint: &str,
        tls_key: [u8; 32],
        act: &AuditRow,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_act().await?;
        let done = tx
            .exec(
                "UPDATE peer SET fingerprint = $2, tls_key = $3, state = 1, reason = '' \
                 WHERE seat = $1 AND fingerprint <> $2",
                args![seat, fingerprint, tls_key],
            )
            .await?;
        if done == 0 {
            return Ok(false);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// All peers.
    pub async fn peers(&self) -> Result<Vec<PeerRow>, StoreError> {
        self.rows(
            own(format!("{PEER} ORDER BY jurisdiction, organisation, seat")),
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

/// Writes down that other keys were shown with a code that was used.
async fn note_other(
    tx: &mut Tx,
    row: &InvitationRow,
    request: &RequestRow,
    act: &AuditRow,
    now_us: i64,
) -> Result<(), StoreError> {
    tx.exec(
        "UPDATE invitation SET others = others + 1, other_hash = $2, other_address = $3, other_at_us = $4 \
         WHERE secret_hash = $1",
        args![
            row.secret_hash,
            request.key_hash,
            request.address.as_str(),
            now_us
        ],
    )
    .await?;
    if row
        .others
        .as_ref()
        .is_none_or(|o| o.times < OTHERS_WRITTEN_DOWN_MAX)
    {
        put_act(tx, act).await?;
    }
    Ok(())
}

async fn call_back(tx: &mut Tx, seat: SeatId, by: &str, now_us: i64) -> Result<u64, StoreError> {
    tx.exec(
        "UPDATE invitation SET revoked_by = $2, revoked_at_us = $3 \
         WHERE seat = $1 AND revoked_at_us IS NULL AND decision = 0",
        args![seat, by, now_us],
    )
    .await
}

async fn revoke_peer(tx: &mut Tx, row: &RevokedRow) -> Result<u64, StoreError> {
    tx.exec(
        "UPDATE peer SET state = 3, reason = $2, decided_by = $3, at_us = $4 WHERE seat = $1 AND state = 1",
        args![
            row.seat,
            row.reason.as_str(),
            row.by.as_str(),
            row.at_us
        ],
    )
    .await
}

/// Keeps a decision, in the transaction of the statements that say it.
pub(crate) async fn put_decision(tx: &mut Tx, decision: &DecisionRow) -> Result<(), StoreError> {
    if let Some(ApprovalRow {
        secret_hash,
        key_hash,
        by,
        at_us,
    }) = &decision.approves
    {
        let done = tx
            .exec(
                "UPDATE invitation SET decision = 1, decided_by = $3, decided_reason = '', decided_at_us = $4 \
                 WHERE secret_hash = $1 AND key_hash = $2 AND decision = 0 AND revoked_at_us IS NULL",
                args![*secret_hash, *key_hash, by.as_str(), *at_us],
            )
            .await?;
        if done == 0 {
            return Err(StoreError::Changed);
        }
    }
    if let Some(peer) = &decision.peer {
        put_peer(tx, peer).await?;
    }
    if let Some(row) = &decision.revokes {
        revoke_peer(tx, row).await?;
        call_back(tx, row.seat, &row.by, row.at_us).await?;
    }
    put_act(tx, &decision.act).await
}

async fn put_peer(tx: &mut Tx, row: &PeerRow) -> Result<(), StoreError> {
    tx.exec(
            "INSERT INTO peer (seat, kind, title, organisation, jurisdiction, tls_key, state, reason, fingerprint, \
             decided_by, at_us, last_contact_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (seat) DO UPDATE SET kind = excluded.kind, title = excluded.title, \
             organisation = excluded.organisation, jurisdiction = excluded.jurisdiction, tls_key = excluded.tls_key, \
             state = excluded.state, reason = excluded.reason, fingerprint = excluded.fingerprint, \
             decided_by = excluded.decided_by, at_us = excluded.at_us",
            args![
                row.seat,
                row.kind,
                row.title.as_str(),
                row.organisation.as_str(),
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
    const WHAT: &str = "invitation";
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    let revoked = match row.int_opt(15)? {
        Some(at_us) => Some((row.text(14)?, at_us)),
        None => None,
    };
    let request = match row.blob_opt(16)? {
        None => None,
        Some(_) => Some(RequestRow {
            key_hash: row.fixed(16, WHAT)?,
            keys: row.blob(17)?,
            possession: row.blob(18)?,
            consent: row.blob(19)?,
            title: row.text(20)?,
            types: lines(row.text(21)?),
            tls_key: row.fixed(22, WHAT)?,
            address: row.text(23)?,
            at_us: row.int(24)?,
            decision: Decision::from_u8(row.small(25, WHAT)?)
                .ok_or(StoreError::Corrupt { what: WHAT })?,
            by: row.text_opt(26)?.unwrap_or_default(),
            reason: row.text_opt(27)?.unwrap_or_default(),
            decided_at_us: row.int_opt(28)?.unwrap_or_default(),
        }),
    };
    let others = match row.uint(29)? {
        0 => None,
        times => Some(OthersRow {
            times,
            key_hash: row.fixed(30, WHAT)?,
            address: row.text(31)?,
            at_us: row.int(32)?,
        }),
    };
    Ok(InvitationRow {
        secret_hash: row.fixed(0, WHAT)?,
        seat: row.seat(1)?,
        kind: row.small(2, WHAT)?,
        organisation: row.text(3)?,
        title: row.text(4)?,
        jurisdiction: row.text(5)?,
        node: row.seat(6)?,
        renews: row.int(7)? == 1,
        types: lines(row.text(8)?),
        preapproved: row.int(9)? == 1,
        reason: row.text(10)?,
        expires_at_us: row.int(11)?,
        by: row.text(12)?,
        at_us: row.int(13)?,
        revoked,
        request,
        others,
    })
}

fn peer(row: &Row) -> Result<PeerRow, StoreError> {
    const WHAT: &str = "peer";
    Ok(PeerRow {
        seat: row.seat(0)?,
        kind: row.small(1, WHAT)?,
        title: row.text(2)?,
        organisation: row.text(3)?,
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
