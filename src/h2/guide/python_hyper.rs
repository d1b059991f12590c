//! For those who know python-hyper: every name of its `h2` 4.4 beside its counterpart here, and the differences.
//!
//! A test reads the names out of python-hyper itself and finds each in this page
//! (`tests/interop/examples.py`), and another compiles everything that the right side links to
//! (`tests/it/python_hyper.rs`).
//!
//! Three differences are of the whole: streams are named by keys
//! ([`StreamKey`](crate::h2::StreamKey)), which find nothing after their stream has ended, rather than a newer
//! one; the caller tells the time, so that there are deadlines; and an error of a stream never ends the
//! connection.
//!
//! # Connections
//!
//! | call or attribute there | here |
//! |---|---|
//! | `H2Connection(config)`, `initiate_connection` | [`server`](crate::h2::Connection::server), [`client`](crate::h2::Connection::client): the preface and SETTINGS are in the output at once |
//! | `initiate_upgrade_connection` | [`server_upgraded`](crate::h2::Connection::server_upgraded), [`client_upgraded`](crate::h2::Connection::client_upgraded), [`http2_settings`](crate::h2::Connection::http2_settings); `h1` of this crate has the HTTP/1.1 in front |
//! | `receive_data` | [`receive`](crate::h2::Connection::receive), an event at a time, so that a command between two events sees the state between them |
//! | `data_to_send`, `clear_outbound_data_buffer` | [`take_output`](crate::h2::Connection::take_output); in bounded amounts by draining the front of [`output`](crate::h2::Connection::output) |
//! | `close_connection` | [`close`](crate::h2::Connection::close); gracefully [`shutdown`](crate::h2::Connection::shutdown), which python-hyper leaves to its user |
//! | `ping` | [`ping`](crate::h2::Connection::ping) |
//! | `update_settings` | [`update_settings`](crate::h2::Connection::update_settings) with all settings, of which some are changed |
//! | `local_settings`, `remote_settings` | [`local_settings`](crate::h2::Connection::local_settings), [`remote_settings`](crate::h2::Connection::remote_settings); those that wait for their acknowledgement: [`announced_settings`](crate::h2::Connection::announced_settings) |
//! | `open_inbound_streams`, `open_outbound_streams` | [`active_streams`](crate::h2::Connection::active_streams) of either role; all that live: [`streams`](crate::h2::Connection::streams) |
//! | `max_inbound_frame_size`, `max_outbound_frame_size` | `max_frame_size` of [`local_settings`](crate::h2::Connection::local_settings), of [`remote_settings`](crate::h2::Connection::remote_settings) |
//! | `get_next_available_stream_id` | [`next_stream_id`](crate::h2::Connection::next_stream_id); `None` where there `NoAvailableStreamIDError` is raised |
//! | `highest_inbound_stream_id`, `highest_outbound_stream_id` | no attribute: [`next_stream_id`](crate::h2::Connection::next_stream_id) tells the one, the keys of events the other |
//! | `send_headers` | [`open`](crate::h2::Connection::open) for a request, which gives the stream's key; [`send_headers`](crate::h2::Connection::send_headers) for a response and trailers, [`send_response`](crate::h2::Connection::send_response) with a status as a number; [`send_informational`](crate::h2::Connection::send_informational) for 1xx; with a priority [`open_with_priority`](crate::h2::Connection::open_with_priority) |
//! | `send_data` | [`send_data`](crate::h2::Connection::send_data), [`send_padded_data`](crate::h2::Connection::send_padded_data); by the scheduler [`set_ready`](crate::h2::Connection::set_ready), [`poll_grant`](crate::h2::Connection::poll_grant), [`begin_data`](crate::h2::Connection::begin_data), [`commit`](crate::h2::Connection::commit) |
//! | `end_stream` | `end_stream` of the last command, or [`send_data`](crate::h2::Connection::send_data) of nothing with it |
//! | `reset_stream` | [`reset`](crate::h2::Connection::reset) |
//! | `push_stream` | [`push`](crate::h2::Connection::push), which chooses the promised stream and gives its key |
//! | `prioritize` | [`send_rfc7540_priority`](crate::h2::Connection::send_rfc7540_priority), [`open_with_priority`](crate::h2::Connection::open_with_priority) where [`Config::rfc7540_priorities`](crate::h2::Config::rfc7540_priorities) is on; RFC 9218's is [`send_priority_update`](crate::h2::Connection::send_priority_update) |
//! | `advertise_alternative_service` | [`send_altsvc`](crate::h2::Connection::send_altsvc) |
//! | `acknowledge_received_data` | [`release`](crate::h2::Connection::release), or [`release_event`](crate::h2::Connection::release_event) for all that an event brought; more than came is [`Misuse::ReleasedTooMuch`](crate::h2::Misuse::ReleasedTooMuch), there it is let pass |
//! | `increment_flow_control_window` | [`release`](crate::h2::Connection::release) for bytes that came, [`widen_receive_window`](crate::h2::Connection::widen_receive_window) for more than the window was; there one command does either |
//! | `local_flow_control_window`, `remote_flow_control_window` | [`send_window`](crate::h2::Connection::send_window), [`receive_window`](crate::h2::Connection::receive_window) |
//! | `inbound_flow_control_window`, `outbound_flow_control_window` | [`connection_receive_window`](crate::h2::Connection::connection_receive_window), [`connection_send_window`](crate::h2::Connection::connection_send_window) |
//! | `encoder`, `decoder` | [`hpack::Encoder`](crate::hpack::Encoder), [`hpack::Decoder`](crate::hpack::Decoder) for use alone; a connection shows the sizes of its own in [`snapshot`](crate::h2::Connection::snapshot) |
//! | `streams`, `state_machine`, `incoming_buffer` | [`snapshot`](crate::h2::Connection::snapshot): each stream with its [`StreamState`](crate::h2::StreamState). Bytes that are incomplete stay with the caller |
//! | `config` | the caller's own `Arc`, which many connections share |
//! | `DEFAULT_MAX_INBOUND_FRAME_SIZE`, `DEFAULT_MAX_OUTBOUND_FRAME_SIZE` | `max_frame_size` of [`Settings::INITIAL`](crate::h2::Settings::INITIAL) |
//! | `DEFAULT_MAX_HEADER_LIST_SIZE` | [`Config::max_header_list_size`](crate::h2::Config::max_header_list_size): 16 KiB, there 64 KiB |
//! | `HIGHEST_ALLOWED_STREAM_ID`, `MAX_WINDOW_INCREMENT` | [`frame::MAX_STREAM_ID`](crate::h2::frame::MAX_STREAM_ID), which is both |
//! | `MAX_CLOSED_STREAMS` | no number: what is remembered of streams that are over takes two bits each, for the latest of them |
//!
//! # Configuration
//!
//! | `H2Configuration` there | here |
//! |---|---|
//! | `client_side` | [`client`](crate::h2::Connection::client), [`server`](crate::h2::Connection::server) |
//! | `header_encoding` | none: fields are bytes, as they are in HTTP ([`http::Field`](crate::http::Field)) |
//! | `validate_outbound_headers`, `validate_inbound_headers` | [`Config::validate_outbound`](crate::h2::Config::validate_outbound), [`Config::validate_inbound`](crate::h2::Config::validate_inbound) |
//! | `normalize_outbound_headers` | [`Config::normalize_outbound`](crate::h2::Config::normalize_outbound), which also drops what `connection` names and reduces `te` |
//! | `normalize_inbound_headers` | [`Config::join_cookies`](crate::h2::Config::join_cookies) |
//! | `split_outbound_cookies` | none: a caller that wants crumbs sends several fields; each enters the table by itself |
//! | `logger` | [`set_observer`](crate::h2::Connection::set_observer): each frame as it is made or taken apart |
//!
//! # Events
//!
//! | event there | here |
//! |---|---|
//! | `RequestReceived` with `stream_id`, `headers`, `stream_ended`, `priority_updated` | [`Event::Request`](crate::h2::Event::Request) with `stream`, `fields`, `end_stream`, `rfc7540`; too large for the limits: [`Event::HeadersTooLarge`](crate::h2::Event::HeadersTooLarge), which can be answered with 431 |
//! | `ResponseReceived` with `stream_id`, `headers`, `stream_ended`, `priority_updated` | [`Event::Response`](crate::h2::Event::Response); a priority has no meaning in a response and is skipped |
//! | `InformationalResponseReceived` with `stream_id`, `headers`, `priority_updated` | [`Event::Informational`](crate::h2::Event::Informational) |
//! | `TrailersReceived` with `stream_id`, `headers`, `stream_ended`, `priority_updated` | [`Event::Trailers`](crate::h2::Event::Trailers), which always end their stream; fields that frame or route a message are left out (RFC 9110 §6.5.1) |
//! | `DataReceived` with `stream_id`, `data`, `flow_controlled_length`, `stream_ended` | [`Event::Data`](crate::h2::Event::Data) with `flow_controlled_len`; a frame of padding alone is told there and released by itself here |
//! | `StreamEnded` with `stream_id` | `end_stream` of the event that the frame caused, for every kind of event [`ends_stream`](crate::h2::Event::ends_stream) |
//! | `StreamReset` with `stream_id`, `error_code`, `remote_reset` | [`Event::StreamReset`](crate::h2::Event::StreamReset) with `code` and the [`Cause`](crate::h2::Cause): the peer, a rule that it broke, a stall, its GOAWAY |
//! | `WindowUpdated` with `stream_id`, `delta` | [`Event::WindowUpdated`](crate::h2::Event::WindowUpdated); `None` for stream 0 |
//! | `RemoteSettingsChanged` with `changed_settings` | [`Event::SettingsChanged`](crate::h2::Event::SettingsChanged): [`changes`](crate::h2::SettingsEntries::changes) gives each value with the one before |
//! | `SettingsAcknowledged` with `changed_settings` | [`Event::SettingsAcknowledged`](crate::h2::Event::SettingsAcknowledged) with `settings` and `before` |
//! | `PingReceived`, `PingAckReceived` with `ping_data` | [`Event::Ping`](crate::h2::Event::Ping), [`Event::PingAcknowledged`](crate::h2::Event::PingAcknowledged) with the round trip |
//! | `PushedStreamReceived` with `pushed_stream_id`, `parent_stream_id`, `headers` | [`Event::PushPromise`](crate::h2::Event::PushPromise), where [`Config::push`](crate::h2::Config::push) is on; there it is unless SETTINGS say otherwise |
//! | `PriorityUpdated` with `stream_id`, `weight`, `depends_on`, `exclusive` | [`Event::Rfc7540Priority`](crate::h2::Event::Rfc7540Priority) where [`Config::report_extensions`](crate::h2::Config::report_extensions) is on; [`Event::PriorityUpdated`](crate::h2::Event::PriorityUpdated) is RFC 9218's |
//! | `ConnectionTerminated` with `error_code`, `last_stream_id`, `additional_data` | [`Event::GoAway`](crate::h2::Event::GoAway); streams above `last_stream_id` follow as [`Event::StreamReset`](crate::h2::Event::StreamReset), and the connection goes on with the others, there it is closed |
//! | `AlternativeServiceAvailable` with `origin`, `field_value` | [`Event::AlternativeService`](crate::h2::Event::AlternativeService); a stream is named where there its authority is put in |
//! | `UnknownFrameReceived` with `frame` | [`Event::UnknownFrame`](crate::h2::Event::UnknownFrame) where [`Config::report_extensions`](crate::h2::Config::report_extensions) is on |
//! | `_RequestSent`, `_ResponseSent`, `_TrailersSent`, `_PushedRequestSent`, `_HeadersSent` | the success of the command |
//!
//! # Settings
//!
//! | setting there | here |
//! |---|---|
//! | `HEADER_TABLE_SIZE` | [`settings::id::HEADER_TABLE_SIZE`](crate::h2::settings::id::HEADER_TABLE_SIZE), `header_table_size` |
//! | `ENABLE_PUSH` | [`settings::id::ENABLE_PUSH`](crate::h2::settings::id::ENABLE_PUSH), `enable_push` |
//! | `MAX_CONCURRENT_STREAMS` | [`settings::id::MAX_CONCURRENT_STREAMS`](crate::h2::settings::id::MAX_CONCURRENT_STREAMS), `max_concurrent_streams` |
//! | `INITIAL_WINDOW_SIZE` | [`settings::id::INITIAL_WINDOW_SIZE`](crate::h2::settings::id::INITIAL_WINDOW_SIZE), `initial_window_size` |
//! | `MAX_FRAME_SIZE` | [`settings::id::MAX_FRAME_SIZE`](crate::h2::settings::id::MAX_FRAME_SIZE), `max_frame_size` |
//! | `MAX_HEADER_LIST_SIZE` | [`settings::id::MAX_HEADER_LIST_SIZE`](crate::h2::settings::id::MAX_HEADER_LIST_SIZE), `max_header_list_size` |
//! | `ENABLE_CONNECT_PROTOCOL` | [`settings::id::ENABLE_CONNECT_PROTOCOL`](crate::h2::settings::id::ENABLE_CONNECT_PROTOCOL), `enable_connect_protocol` |
//! | `Settings` as a mapping | [`Settings`](crate::h2::Settings) as fields; [`Settings::value`](crate::h2::Settings::value) by identifier |
//! | `ChangedSetting` with `setting`, `original_value`, `new_value` | [`SettingChange`](crate::h2::SettingChange) with `id`, `before`, `now` |
//! | `acknowledge`, `validate_received_setting` | done by [`receive`](crate::h2::Connection::receive); one's own are checked by [`Settings::check`](crate::h2::Settings::check) |
//!
//! # Errors
//!
//! | exception there | here |
//! |---|---|
//! | `H2Error`, `ProtocolError` | [`Error`](crate::h2::Error): [`ConnectionError`](crate::h2::ConnectionError) or [`StreamError`](crate::h2::StreamError) of the peer's, [`Misuse`](crate::h2::Misuse) of one's own. There an error of one's own and one of the peer's have one type |
//! | `FrameTooLargeError` | [`Misuse::FrameTooLarge`](crate::h2::Misuse::FrameTooLarge) with both lengths; of the peer's FRAME_SIZE_ERROR with the frame's header |
//! | `FrameDataMissingError` | [`ConnectionError`](crate::h2::ConnectionError), FRAME_SIZE_ERROR |
//! | `TooManyStreamsError` | [`Misuse::TooManyStreams`](crate::h2::Misuse::TooManyStreams) with the limit; of the peer's [`StreamError::TOO_MANY`](crate::h2::StreamError::TOO_MANY) on that stream alone, there the connection ends |
//! | `FlowControlError` | [`Misuse::WindowExceeded`](crate::h2::Misuse::WindowExceeded) with length and window; of the peer's FLOW_CONTROL_ERROR |
//! | `StreamIDTooLowError` with `stream_id`, `max_stream_id` | never of one's own, since [`open`](crate::h2::Connection::open) chooses identifiers; of the peer's [`ConnectionError`](crate::h2::ConnectionError) whose `frame` names the stream |
//! | `NoAvailableStreamIDError` | [`Misuse::StreamIdsExhausted`](crate::h2::Misuse::StreamIdsExhausted) |
//! | `NoSuchStreamError`, `StreamClosedError` with `stream_id`, `error_code` | [`Misuse::StreamClosed`](crate::h2::Misuse::StreamClosed) of the key that the caller gave; why a stream ended was told when it did |
//! | `InvalidSettingsValueError` | [`Misuse::InvalidValue`](crate::h2::Misuse::InvalidValue); of the peer's [`ConnectionError`](crate::h2::ConnectionError) with the code that RFC 9113 §6.5.2 asks for |
//! | `InvalidBodyLengthError` with `expected_length`, `actual_length` | [`Event::StreamReset`](crate::h2::Event::StreamReset), PROTOCOL_ERROR, with the reason, and the connection goes on; the caller has seen the `content-length` and all content |
//! | `UnsupportedFrameError` | [`ConnectionError`](crate::h2::ConnectionError) of a PUSH_PROMISE that nobody allowed |
//! | `RFC1122Error` | [`Misuse::WrongRole`](crate::h2::Misuse::WrongRole), [`Misuse::OutOfOrder`](crate::h2::Misuse::OutOfOrder) |
//! | `DenialOfServiceError` | [`ConnectionError`](crate::h2::ConnectionError), ENHANCE_YOUR_CALM, by more budgets ([`Budgets`](crate::h2::Budgets)) |
//! | `ErrorCodes` | [`ErrorCode`](crate::h2::ErrorCode), which also has codes that nobody has registered |
//!
//! Beyond it: RFC 9218 priorities with a scheduler, ORIGIN, extended CONNECT, budgets against floods
//! ([`Budgets`](crate::h2::Budgets)), deadlines on progress, frames of one's own type
//! ([`send_frame`](crate::h2::Connection::send_frame)).
