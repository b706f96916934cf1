//! One suite over all transports: what a connection promises, it promises on each of them.
//!
//! Tests wait for events, never for a time to pass; a deadline around each only keeps a failure from hanging. Where
//! a transport differs by nature, the test says so in a branch.

mod cancellation;
mod closing;
mod datagrams;
mod establishing;
mod foreign;
mod http;
mod lanes;
mod leaving;
mod liveness;
mod pair;
mod pressure;
mod sizes;
mod tolerance;

/// Makes a test of each function for each transport.
macro_rules! on_every_transport {
    ($($module:ident::$name:ident,)*) => {
        on_every_transport!(quic, Quic, $($module::$name,)*);
        on_every_transport!(web_transport, WebTransport, $($module::$name,)*);
        on_every_transport!(web_socket, WebSocket, $($module::$name,)*);
        on_every_transport!(memory, Memory, $($module::$name,)*);
    };
    ($transport:ident, $variant:ident, $($module:ident::$name:ident,)*) => {
        mod $transport {
            $(#[tokio::test]
            async fn $name() {
                let test = super::$module::$name(anteroom_transport::Transport::$variant);
                super::pair::in_time(test).await;
            })*
        }
    };
}

on_every_transport! {
    cancellation::futures_can_be_dropped_at_any_pending,
    closing::a_closing_client_is_heard_by_the_server,
    closing::a_closing_server_is_heard_by_the_client,
    closing::a_dropped_connection_is_lost,
    closing::an_end_stays_the_same,
    closing::both_may_close_at_once,
    closing::everything_sent_before_a_close_arrives,
    closing::long_reasons_are_cut,
    closing::what_came_before_the_end_is_read_by_who_was_sending,
    datagrams::datagrams_name_their_lane,
    datagrams::the_largest_datagram_passes_and_a_larger_one_is_refused,
    lanes::a_client_may_end_its_half,
    lanes::a_lane_ends_behind_its_records,
    lanes::codecs_are_told_apart,
    lanes::records_keep_their_order_on_each_lane,
    pressure::a_full_queue_hands_records_back,
    pressure::a_full_queue_holds_datagrams_back,
    pressure::flush_hands_everything_on,
    pressure::written_bytes_tell_slow_reading_from_none,
    sizes::a_larger_record_ends_the_connection_with_a_code,
    sizes::empty_records_pass,
    sizes::the_largest_frame_of_a_server_passes,
    sizes::the_largest_record_passes,
}
