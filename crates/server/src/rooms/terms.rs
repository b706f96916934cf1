//! What a room is made with, as somebody asks for it: checked against what the game and the server allow.
//!
//! Data and the number of seats are checked by the room, which has to check them whenever they change.

use std::time::Duration;

use anteroom_core::game::Kind;
use anteroom_core::name;
use anteroom_core::room::{Lifecycle, Terms};
use anteroom_protocol::message::OwnerPolicy;
use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::{ErrorBody, ErrorCode, Json, UserId};

use super::{RoomLimits, Rooms, default_name};
use crate::passwords;

/// By how much spectators may be behind at most.
const SPECTATOR_DELAY_MAX_MS: u32 = 300_000;

/// A room that may be made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) options: Option<Json>,
    pub(crate) durable: bool,
    pub(crate) terms: Terms,
}

impl Rooms {
    /// Checks what somebody wants a room to be like; nobody owns it without a creator. The hash of its password is still to come.
    ///
    /// # Errors
    /// `game_not_found`, `invalid_name`, `invalid_options`, `invalid_data`, `storage_unavailable`.
    pub(crate) fn plan(&self, request: &CreateRoom, creator: Option<(&UserId, &str)>) -> Result<Plan, ErrorBody> {
        let kind = *self.registry.kind(&request.game)?;
        let durable = self.settle_durable(&kind, request.durable)?;
        let recorded = self.recordings.settle(kind.name, request.record)?;
        let name = match &request.name {
            Some(name) => name::checked(name)?,
            None => creator.map_or_else(|| kind.name.to_owned(), |(_, username)| default_name(username)),
        };
        passwords::checked(request.password.as_deref())?;
        let delay_ms = request.spectator_delay_ms.unwrap_or(0);
        if delay_ms > SPECTATOR_DELAY_MAX_MS {
            return Err(out_of_bounds("spectator_delay_ms", format!("at most {SPECTATOR_DELAY_MAX_MS}")));
        }
        let terms = Terms {
            created_by: creator.map(|(user_id, _)| user_id.clone()),
            owner_policy: if creator.is_some() {
                request.owner_policy.unwrap_or(kind.owner)
            } else {
                OwnerPolicy::None
            },
            visibility: request.visibility.unwrap_or_default(),
            password: None,
            seats_max: request.seats_max,
            data: request.data.clone().unwrap_or_default(),
            access: request.access.clone().unwrap_or_default(),
            spectator_delay: Duration::from_millis(delay_ms.into()),
            chat_kept: self.limits.chat_kept,
            lifecycle: self.limits.lifecycle(request, durable)?,
            reserved: Vec::new(),
            recorded,
        };
        Ok(Plan { kind, name, options: request.options.clone(), durable, terms })
    }

    /// What a room is made with that belongs to nobody, since those who meet there are strangers.
    pub(super) fn terms_of_strangers(&self, kind: &Kind, durable: bool) -> Terms {
        let (lifecycle, chat_kept) = (self.limits.lifecycle_unasked(durable), self.limits.chat_kept);
        // Nobody has asked for it.
        let recorded = self.recordings.settle(kind.name, None).unwrap_or(false);
        Terms { owner_policy: OwnerPolicy::None, lifecycle, chat_kept, recorded, ..Terms::default() }
    }
}

impl RoomLimits {
    fn lifecycle_unasked(&self, durable: bool) -> Lifecycle {
        let empty_ttl = if durable { self.durable_empty_ttl } else { Duration::ZERO };
        let Self { idle_ttl, lifetime_max, .. } = *self;
        Lifecycle { empty_ttl, idle_ttl, lifetime_max, persistent: false }
    }

    /// How long a room stays, as far as its creator may say.
    fn lifecycle(&self, request: &CreateRoom, durable: bool) -> Result<Lifecycle, ErrorBody> {
        let unasked = self.lifecycle_unasked(durable);
        let empty_ttl = request.empty_ttl_ms.map(Duration::from_millis);
        if empty_ttl.is_some_and(|asked| asked > self.empty_ttl_max) {
            return Err(out_of_bounds("empty_ttl_ms", format!("at most {} here", self.empty_ttl_max.as_millis())));
        }
        Ok(Lifecycle {
            empty_ttl: empty_ttl.unwrap_or(unasked.empty_ttl),
            idle_ttl: shorter("idle_ttl_ms", request.idle_ttl_ms, unasked.idle_ttl)?,
            lifetime_max: shorter("lifetime_max_ms", request.lifetime_max_ms, unasked.lifetime_max)?,
            persistent: false,
        })
    }
}

/// A time that is asked for, if it is no longer than the one that holds without.
fn shorter(key: &str, asked_ms: Option<u64>, unasked: Option<Duration>) -> Result<Option<Duration>, ErrorBody> {
    let Some(asked_ms) = asked_ms else { return Ok(unasked) };
    let longest = unasked.unwrap_or(LONGEST);
    let asked = Duration::from_millis(asked_ms);
    if asked.is_zero() || asked > longest {
        return Err(out_of_bounds(key, format!("1 to {} here", longest.as_millis())));
    }
    Ok(Some(asked))
}

/// A year: nothing overflows that is added to it.
const LONGEST: Duration = Duration::from_millis(366 * 24 * 3600 * 1000);

fn out_of_bounds(key: &str, bounds: String) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidData, format!("`{key}` is {bounds}."))
}
