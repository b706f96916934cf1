//! A log without what lets somebody into a room. It replays as the one with it does, in a room without it, too.

use anteroom_protocol::envelope::Envelope;
use anteroom_protocol::limits::PASSWORD_BYTES_MAX;
use anteroom_protocol::message::member::UpdateRoom;
use anteroom_protocol::message::table::MemberRequest;
use anteroom_protocol::message::{Request, RequestKind};
use anteroom_protocol::{Codec, Payload};

use super::{Log, What, data_of};

/// What stands for the hash of a password, and for the password.
pub(in crate::room) const HIDDEN: &str = "*";

/// The codes of invites that were left out, each of which is a number from then on.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    codes: Vec<String>,
}

impl Secrets {
    /// What stands for a code that lets in.
    pub(in crate::room) fn hide(&mut self, code: &str) -> String {
        let place = self.codes.iter().position(|known| known == code).unwrap_or_else(|| {
            self.codes.push(code.to_owned());
            self.codes.len() - 1
        });
        format!("{}", place + 1)
    }

    /// What stands for a code that somebody came with: one that has never let in stays one.
    fn hidden(&self, code: &str) -> String {
        let place = self.codes.iter().position(|known| known == code);
        place.map_or_else(|| "0".to_owned(), |place| format!("{}", place + 1))
    }
}

impl Log {
    /// The same without passwords, their hashes, the codes of invites, and the ids of sessions.
    #[must_use]
    pub fn without_secrets(&self, secrets: &mut Secrets) -> Self {
        let mut log = self.clone();
        for record in &mut log.records {
            match &mut record.what {
                What::Join { session_id, invite, .. } => {
                    *session_id = None;
                    *invite = invite.take().map(|code| secrets.hidden(&code));
                }
                What::Ask { kind, is_binary, data, with, .. } if kind == "update_room" => {
                    *data = hide_password(*is_binary, data);
                    *with = with.take().map(|_| HIDDEN.to_owned());
                }
                What::Ask { kind, with, .. } if kind == "create_invite" => {
                    let mut code = |with: &str| with.split_once(' ').map(|(code, _)| secrets.hide(code));
                    *with = with.take().map(|with| code(&with).map_or_else(String::new, |code| format!("{code} -")));
                }
                _ => {}
            }
        }
        log
    }

    /// Whether somebody is erased in it.
    #[must_use]
    pub fn erases(&self) -> bool {
        self.records.iter().any(|record| matches!(record.what, What::Erase { .. }))
    }
}

/// The data of an `update_room` without the password. What cannot be read is refused, and stays so.
fn hide_password(is_binary: bool, data: &[u8]) -> Vec<u8> {
    let hidden = || {
        let message = Envelope {
            kind: "update_room".into(),
            reference: None,
            n: None,
            room_id: Some("".into()),
            latest: None,
            success: None,
            error: None,
            data: data_of(is_binary, data).ok()?,
        };
        let Ok(Request::Member(MemberRequest::UpdateRoom(request))) = Request::parse(RequestKind::UpdateRoom, &message)
        else {
            return None;
        };
        let shorter = |password: String| match password.len() {
            0 => password,
            // One that is too long is refused for it.
            len if len > PASSWORD_BYTES_MAX => HIDDEN.repeat(PASSWORD_BYTES_MAX + 1),
            _ => HIDDEN.to_owned(),
        };
        let password = request.password.map(|password| password.map(shorter));
        let codec = if is_binary { Codec::Bincode } else { Codec::Json };
        Some(match Payload::encode(codec, &UpdateRoom { password, ..request }).ok()?.data() {
            anteroom_protocol::Data::Json(text) => text.as_bytes().to_vec(),
            anteroom_protocol::Data::Binary(bytes) => bytes.to_vec(),
        })
    };
    hidden().unwrap_or_else(|| if is_binary { Vec::new() } else { b"0".to_vec() })
}
