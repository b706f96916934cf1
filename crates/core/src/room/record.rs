//! What is known of a room as such: who made it, who owns it, who finds it, and how long it stays.

use std::time::Duration;

use anteroom_protocol::message::member::{TransferOwner, UpdateRoom};
use anteroom_protocol::message::{AccessMap, DataMap, OwnerPolicy, Visibility};
use anteroom_protocol::{ErrorBody, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::data::Dataset;
use super::{Effects, MemberId, Room};
use crate::time::Time;

/// What a room is made with, besides its game.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// Who makes it.
    pub created_by: Option<UserId>,
    /// Who owns it when its owner goes; with [`OwnerPolicy::None`] nobody owns it from the beginning.
    pub owner_policy: OwnerPolicy,
    /// Who finds it.
    pub visibility: Visibility,
    /// The hash of its password, for whoever lets others prove that they know it.
    pub password: Option<String>,
    /// How many seats there are, if fewer than the game has.
    pub seats_max: Option<u16>,
    /// Its data at the beginning.
    pub data: DataMap,
    /// Who may read which of its keys.
    pub access: AccessMap,
    /// By how much those who watch are behind.
    pub spectator_delay: Duration,
    /// How long it stays.
    pub lifecycle: Lifecycle,
    /// For whom seats are kept, and until when.
    pub reserved: Vec<(UserId, Time)>,
}

/// How long a room stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// How long with nobody in it.
    pub empty_ttl: Duration,
    /// How long without anybody doing anything, if that ends it.
    pub idle_ttl: Option<Duration>,
    /// How long in any case, if that ends it.
    pub lifetime_max: Option<Duration>,
    /// It stays whoever is in it, until it is closed.
    pub persistent: bool,
}

/// What those at the door have to know of a room, to prove what it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Door {
    /// Who finds it.
    pub visibility: Visibility,
    /// The hash of its password, and which password of the room it is.
    pub password: Option<(String, u32)>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) created_at: Time,
    pub(super) created_by: Option<UserId>,
    pub(super) owner: Option<UserId>,
    pub(super) owner_policy: OwnerPolicy,
    pub(super) visibility: Visibility,
    pub(super) locked: bool,
    pub(super) password: Option<String>,
    /// Which password it is; rises with every change.
    pub(super) password_number: u32,
    pub(super) seats_max: u16,
    pub(super) data: Dataset,
    pub(super) spectator_delay: Duration,
    pub(super) lifecycle: Lifecycle,
}

impl Record {
    pub(super) fn new(terms: &Terms, seats_max: u16, now: Time) -> Self {
        let owner = terms.created_by.clone().filter(|_| terms.owner_policy != OwnerPolicy::None);
        Self {
            created_at: now,
            created_by: terms.created_by.clone(),
            owner,
            owner_policy: terms.owner_policy,
            visibility: terms.visibility,
            locked: false,
            password: terms.password.clone(),
            password_number: 0,
            seats_max,
            data: Dataset::default(),
            spectator_delay: terms.spectator_delay,
            lifecycle: terms.lifecycle,
        }
    }
}

impl Room {
    /// What those at the door have to know.
    #[must_use]
    pub fn door(&self) -> Door {
        let password = self.record.password.clone().map(|hash| (hash, self.record.password_number));
        Door { visibility: self.record.visibility, password }
    }

    /// `password` is the hash of the one that the request has.
    pub(super) fn update_room(
        &mut self,
        _id: MemberId,
        _request: UpdateRoom,
        _password: Option<&str>,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn transfer_owner(
        &mut self,
        _id: MemberId,
        _request: TransferOwner,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }
}
