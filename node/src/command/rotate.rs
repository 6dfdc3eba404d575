//! Other keys for the city's own seat, under the root: with the consent of the former keys, or with a reason where they are
//! lost or stolen. Districts and departments come again with a renewal code instead.

use protocol::directory::Directory;
use protocol::envelope::{Envelope, kind};
use protocol::sign::{SigningKey, Sigs};
use protocol::statement::{FORMAT, Identity, possession_hash};
use store::DecisionRow;

use super::actor::{Action, Actor};
use super::admission::{AdmissionError, request_error};
use super::revoke::{Reason, read_text};
use crate::home::NodeKeys;
use crate::node::{Node, Tier};

/// What is said of the former keys.
#[derive(Debug, Clone, Copy)]
pub enum Former<'a> {
    /// They agree.
    Agree,
    /// They are lost: why, for people.
    Lost(&'a str),
    /// They are called back: what was signed with them from now on counts for nothing.
    CalledBack(Reason, &'a str),
}

impl Node {
    /// Gives the city's seat other keys: an identity of the next serial, signed by the root, and before it a revocation of the
    /// former keys if they are called back. Returns the chain that proves the city from now on, root version 1 first. If the
    /// seat has these keys already, nothing is signed.
    pub async fn rotate_city(
        &self,
        root: &SigningKey,
        keys: &NodeKeys,
        former: Former<'_>,
        actor: &Actor,
        now_us: i64,
    ) -> Result<Vec<Envelope>, AdmissionError> {
        if self.tier() != Tier::City {
            return Err(request_error(
                "区县节点更换密钥须用市级签发的续期接入码：rotate --code-file",
            ));
        }
        let has_them = {
            let directory = self.directory();
            let newest = directory.newest_identity(&self.seat());
            newest.is_some_and(|i| i.identity().keys == keys.public())
        };
        if !has_them {
            self.publish_decided(
                |directory| {
                    let envelopes = self.compose_rotation(directory, root, keys, former)?;
                    let told = format!(
                        "新密钥指纹 {}{}",
                        protocol::admission::newcomer::fingerprint(&keys.public()),
                        match former {
                            Former::Agree => String::new(),
                            Former::Lost(text) => format!("，原密钥已丢失：{text}"),
                            Former::CalledBack(reason, text) => {
                                format!("，撤销原密钥，{}：{text}", reason.label())
                            }
                        }
                    );
                    let act = actor.act(Action::Rotate, &self.seat().to_string(), &told, now_us);
                    let decision = DecisionRow {
                        peer: None,
                        approves: None,
                        revokes: None,
                        act,
                    };
                    Ok::<_, AdmissionError>((envelopes, decision))
                },
                now_us,
            )
            .await?;
        }
        Ok(self.chain_of(&self.seat()).await?)
    }

    fn compose_rotation(
        &self,
        directory: &Directory,
        root: &SigningKey,
        keys: &NodeKeys,
        former: Former<'_>,
    ) -> Result<Vec<Envelope>, AdmissionError> {
        let version = directory.root();
        let stated = version.statement();
        if !stated.read_keys().any(|key| key == root.public()) {
            return Err(request_error(
                "该根密钥不属于本市现行的根声明，请核对根密钥文件",
            ));
        }
        if stated.threshold > 1 {
            return Err(request_error(format!(
                "现行根声明须由 {} 把密钥共同签署，本命令只使用一把",
                stated.threshold
            )));
        }
        let seat = self.seat();
        let own = self.identity();
        let possession = possession_hash(&seat, &directory.authority(), &keys.public());
        let (reason, consent) = match former {
            Former::Agree => ("", Sigs::of(self.key().sign(&possession))),
            Former::Lost(text) | Former::CalledBack(_, text) => (read_text(text)?, Sigs::default()),
        };
        let mut envelopes = Vec::new();
        if let Former::CalledBack(why, text) = former {
            let called =
                self.call_back(directory, &seat, why, read_text(text)?, version.reference())?;
            let bytes = called.revocation.to_bytes();
            envelopes.push(Envelope::signed(kind::REVOCATION, FORMAT, bytes, root));
        }
        let serial = directory.of_seat(&seat).map(|i| i.identity().serial).max();
        let identity = Identity {
            serial: serial.unwrap_or_default() + 1,
            keys: keys.public(),
            possession: Sigs::of(keys.sign.sign(&possession)),
            consent,
            reason: reason.to_owned(),
            binds_from: self.binds_from(directory, &seat, false),
            issuer: version.reference(),
            ..own.clone()
        };
        identity
            .check()
            .map_err(|wrong| request_error(format!("新身份不合规定（{}）", wrong.what)))?;
        let bytes = identity.to_bytes();
        envelopes.push(Envelope::signed(kind::IDENTITY, FORMAT, bytes, root));
        Ok(envelopes)
    }
}
