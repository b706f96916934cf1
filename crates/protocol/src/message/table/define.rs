//! What is made of the table: the macro behind it, and nothing that is particular to any message.

/// Makes [`RESERVED_TYPES`](super::RESERVED_TYPES), [`ROWS`](super::ROWS), [`Request`](super::Request),
/// [`RequestKind`](super::RequestKind) and each type's `TYPE` from the rows.
macro_rules! messages {
    (
        requests { $(
            $(#[$about:meta])*
            $Owner:ident($Enum:ident) {
                $( $Kind:ident = $name:literal: $sender:ident, $form:ident, $access:ident, $counted:ident,
                    $codec:ident $Data:ty $(as $shape:expr)?
                    $(=> $answer_counted:ident, $answer_codec:ident $Answer:ty $(as $answer_shape:expr)?)?; )*
            }
        )* }
        server { $(
            $said:literal: $said_owner:ident, $said_form:ident, $said_counted:ident,
                $said_codec:ident $Said:ty $(as $said_shape:expr)?;
        )* }
    ) => {
        /// Types that mean something to the server itself. A game may not use one for an action or an event, nor one
        /// that ends in `_result`.
        pub const RESERVED_TYPES: &[&str] = &[$($($name,)*)* $($said,)*];

        /// Every type, the results of requests among them.
        pub const ROWS: &[Row] = &[
            $($(
                Row {
                    name: $name,
                    owner: Owner::$Owner,
                    sender: Sender::$sender,
                    form: Form::$form,
                    is_counted: messages!(@counted $counted),
                    shape: messages!(@shape $codec $($shape)?),
                    translate: messages!(@translate $codec $Data),
                },
                $(Row {
                    name: concat!($name, "_result"),
                    owner: Owner::$Owner,
                    sender: Sender::Server,
                    form: Form::Answer,
                    is_counted: messages!(@counted $answer_counted),
                    shape: messages!(@shape $answer_codec $($answer_shape)?),
                    translate: messages!(@translate $answer_codec $Answer),
                },)?
            )*)*
            $(Row {
                name: $said,
                owner: Owner::$said_owner,
                sender: Sender::Server,
                form: Form::$said_form,
                is_counted: messages!(@counted $said_counted),
                shape: messages!(@shape $said_codec $($said_shape)?),
                translate: messages!(@translate $said_codec $Said),
            },)*
        ];

        $($( messages!(@type $codec $Data, $name); $(messages!(@answer $answer_codec $Data, $Answer, $name);)? )*)*
        $( messages!(@type $said_codec $Said, $said); )*

        /// What a client asks for, its data not read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RequestKind {
            $($(
                #[doc = concat!("`", $name, "`.")]
                $Kind,
            )*)*
            /// Of a type that is not the protocol's, in a room: its game may know it.
            Action,
            /// Of a type that is not the protocol's, in no room.
            Unknown,
        }

        impl RequestKind {
            /// Every one.
            pub const ALL: &[Self] = &[$($(Self::$Kind,)*)* Self::Action, Self::Unknown];

            /// What a message is.
            #[must_use]
            pub fn of(message: &Envelope<'_>) -> Self {
                match message.kind.as_ref() {
                    $($($name => Self::$Kind,)*)*
                    _ if message.room_id.is_some() => Self::Action,
                    _ => Self::Unknown,
                }
            }

            /// Its `type`; none if that is not the protocol's.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $($(Self::$Kind => Some($name),)*)*
                    Self::Action | Self::Unknown => None,
                }
            }

            /// Who handles it; nobody in particular what is unknown, so the session refuses that.
            #[must_use]
            pub const fn owner(self) -> Owner {
                match self {
                    $($(Self::$Kind => Owner::$Owner,)*)*
                    Self::Action => Owner::Game,
                    Self::Unknown => Owner::Session,
                }
            }

            /// Where it may stand.
            #[must_use]
            pub const fn access(self) -> Access {
                match self {
                    $($(Self::$Kind => Access::$access,)*)*
                    Self::Action | Self::Unknown => Access::Inside,
                }
            }

            /// Whether its `n` counts.
            #[must_use]
            pub const fn is_counted(self) -> bool {
                match self {
                    $($(Self::$Kind => messages!(@counted $counted),)*)*
                    Self::Action | Self::Unknown => true,
                }
            }
        }

        $(
            $(#[$about])*
            #[derive(Debug, Clone, PartialEq)]
            pub enum $Enum {
                $(
                    #[doc = concat!("`", $name, "`.")]
                    $Kind($Data),
                )*
            }
        )*

        /// What a client asks for, by who handles it.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $( $(#[$about])* $Owner($Enum), )*
            /// See [`RequestKind::Action`]. Its data is read by the room.
            Action,
            /// See [`RequestKind::Unknown`].
            Unknown,
        }

        impl Request {
            /// Reads the data of a message of a kind.
            ///
            /// # Errors
            /// [`InvalidData`], in words for the sender, if it does not have the kind's shape.
            pub fn parse(kind: RequestKind, message: &Envelope<'_>) -> Result<Self, InvalidData> {
                Ok(match kind {
                    $($(
                        RequestKind::$Kind => {
                            Self::$Owner($Enum::$Kind(messages!(@read $codec $Data, message)))
                        }
                    )*)*
                    RequestKind::Action => Self::Action,
                    RequestKind::Unknown => Self::Unknown,
                })
            }
        }
    };

    (@counted counted) => { true };
    (@counted uncounted) => { false };

    (@shape json) => { Shape::Json };
    (@shape unread) => { Shape::Json };
    (@shape game) => { Shape::Game };
    (@shape $codec:ident $shape:expr) => { Shape::Binary($shape) };

    (@translate json $Data:ty) => { translate_json::<$Data> };
    (@translate unread $Data:ty) => { translate_json::<$Data> };
    (@translate game $Data:ty) => { |_, _| Err(InvalidData::new("only the game knows its data")) };
    (@translate $codec:ident $Data:ty) => { |data, to| Payload::encode(to, &data.decode::<$Data>()?) };

    (@type json $Data:ty, $name:expr) => {
        impl $Data {
            /// The `type` it travels under.
            pub const TYPE: &'static str = $name;
        }
    };
    (@type game $Data:ty, $name:expr) => {};
    (@type none $Data:ty, $name:expr) => {};
    (@type $codec:ident $Data:ty, $name:expr) => {
        impl Message for $Data {
            const TYPE: &'static str = $name;
        }
    };

    (@answer json $Data:ty, $Answer:ty, $name:literal) => {
        impl $Answer {
            /// The `type` it travels under.
            pub const TYPE: &'static str = concat!($name, "_result");
        }
    };
    (@answer $codec:ident $Data:ty, $Answer:ty, $name:literal) => {
        impl Answered for $Data {
            const RESULT: &'static str = concat!($name, "_result");
            type Answer = $Answer;
        }
    };

    (@read json $Data:ty, $message:ident) => { $message.data.decode_json::<$Data>()? };
    (@read binary $Data:ty, $message:ident) => { $message.data.decode::<$Data>()? };
    (@read unread $Data:ty, $message:ident) => { <$Data>::default() };
    (@read on_control $Data:ty, $message:ident) => {
        if $message.room_id.is_some() { <$Data>::default() } else { $message.data.decode::<$Data>()? }
    };
}

pub(super) use messages;
