/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error and status codes of MoQ Transport (draft-ietf-moq-transport-18 section 15.10), each list
 * once. A code that we do not know means the same as the list's INTERNAL_ERROR (section 14).
 */
#ifndef INLAY_MOQ_CODES_H
#define INLAY_MOQ_CODES_H

#include "inlay_types.h"

/* CONNECTION_CLOSE of the application: the session ends (section 3.5). */
#define INLAY_MOQ_SESSION_ERRORS(X)                                                                \
	X(NO_ERROR, 0x0, "no error")                                                               \
	X(INTERNAL_ERROR, 0x1, "internal error")                                                   \
	X(UNAUTHORIZED, 0x2, "unauthorized")                                                       \
	X(PROTOCOL_VIOLATION, 0x3, "protocol violation")                                           \
	X(INVALID_REQUEST_ID, 0x4, "invalid request ID")                                           \
	X(DUPLICATE_TRACK_ALIAS, 0x5, "duplicate track alias")                                     \
	X(KEY_VALUE_FORMATTING_ERROR, 0x6, "key-value formatting error")                           \
	X(INVALID_PATH, 0x8, "invalid path")                                                       \
	X(MALFORMED_PATH, 0x9, "malformed path")                                                   \
	X(GOAWAY_TIMEOUT, 0x10, "GOAWAY timeout")                                                  \
	X(CONTROL_MESSAGE_TIMEOUT, 0x11, "control message timeout")                                \
	X(DATA_STREAM_TIMEOUT, 0x12, "data stream timeout")                                        \
	X(AUTH_TOKEN_CACHE_OVERFLOW, 0x13, "authorization token cache overflow")                   \
	X(DUPLICATE_AUTH_TOKEN_ALIAS, 0x14, "duplicate authorization token alias")                 \
	X(VERSION_NEGOTIATION_FAILED, 0x15, "version negotiation failed")                          \
	X(MALFORMED_AUTH_TOKEN, 0x16, "malformed authorization token")                             \
	X(UNKNOWN_AUTH_TOKEN_ALIAS, 0x17, "unknown authorization token alias")                     \
	X(EXPIRED_AUTH_TOKEN, 0x18, "expired authorization token")                                 \
	X(INVALID_AUTHORITY, 0x19, "invalid authority")                                            \
	X(MALFORMED_AUTHORITY, 0x1a, "malformed authority")

/* REQUEST_ERROR (section 10.6). */
#define INLAY_MOQ_REQUEST_CODES(X)                                                                 \
	X(INTERNAL_ERROR, 0x0, "internal error")                                                   \
	X(UNAUTHORIZED, 0x1, "unauthorized")                                                       \
	X(TIMEOUT, 0x2, "timeout")                                                                 \
	X(NOT_SUPPORTED, 0x3, "not supported")                                                     \
	X(MALFORMED_AUTH_TOKEN, 0x4, "malformed authorization token")                              \
	X(EXPIRED_AUTH_TOKEN, 0x5, "expired authorization token")                                  \
	X(GOING_AWAY, 0x6, "going away")                                                           \
	X(EXCESSIVE_LOAD, 0x9, "excessive load")                                                   \
	X(DOES_NOT_EXIST, 0x10, "does not exist")                                                  \
	X(INVALID_RANGE, 0x11, "invalid range")                                                    \
	X(MALFORMED_TRACK, 0x12, "malformed track")                                                \
	X(DUPLICATE_SUBSCRIPTION, 0x19, "duplicate subscription")                                  \
	X(UNINTERESTED, 0x20, "uninterested")                                                      \
	X(PREFIX_OVERLAP, 0x30, "prefix overlap")                                                  \
	X(NAMESPACE_TOO_LARGE, 0x31, "namespace too large")                                        \
	X(INVALID_JOINING_REQUEST_ID, 0x32, "invalid joining request ID")                          \
	X(UNSUPPORTED_EXTENSION, 0x33, "unsupported extension")                                    \
	X(REDIRECT, 0x34, "redirect")

/* PUBLISH_DONE (section 10.11). */
#define INLAY_MOQ_DONE_CODES(X)                                                                    \
	X(INTERNAL_ERROR, 0x0, "internal error")                                                   \
	X(UNAUTHORIZED, 0x1, "unauthorized")                                                       \
	X(TRACK_ENDED, 0x2, "track ended")                                                         \
	X(SUBSCRIPTION_ENDED, 0x3, "subscription ended")                                           \
	X(GOING_AWAY, 0x4, "going away")                                                           \
	X(TOO_FAR_BEHIND, 0x5, "too far behind")                                                   \
	X(EXPIRED, 0x6, "expired")                                                                 \
	X(UPDATE_FAILED, 0x8, "update failed")                                                     \
	X(EXCESSIVE_LOAD, 0x9, "excessive load")                                                   \
	X(MALFORMED_TRACK, 0x12, "malformed track")

/* RESET_STREAM and STOP_SENDING, on any stream (section 3.3.3). */
#define INLAY_MOQ_RESET_CODES(X)                                                                   \
	X(INTERNAL_ERROR, 0x0, "internal error")                                                   \
	X(CANCELLED, 0x1, "cancelled")                                                             \
	X(DELIVERY_TIMEOUT, 0x2, "delivery timeout")                                               \
	X(SESSION_CLOSED, 0x3, "session closed")                                                   \
	X(GOING_AWAY, 0x4, "going away")                                                           \
	X(TOO_FAR_BEHIND, 0x5, "too far behind")                                                   \
	X(UNKNOWN_OBJECT_STATUS, 0x6, "unknown object status")                                     \
	X(EXPIRED_AUTH_TOKEN, 0x7, "expired authorization token")                                  \
	X(EXCESSIVE_LOAD, 0x9, "excessive load")                                                   \
	X(MALFORMED_TRACK, 0x12, "malformed track")

#define INLAY_MOQ_CODE(name, value, text) INLAY_MOQ_SESSION_##name = value,
enum inlay_moq_session_error { INLAY_MOQ_SESSION_ERRORS(INLAY_MOQ_CODE) };
#undef INLAY_MOQ_CODE

#define INLAY_MOQ_CODE(name, value, text) INLAY_MOQ_REQUEST_##name = value,
enum inlay_moq_request_code { INLAY_MOQ_REQUEST_CODES(INLAY_MOQ_CODE) };
#undef INLAY_MOQ_CODE

#define INLAY_MOQ_CODE(name, value, text) INLAY_MOQ_DONE_##name = value,
enum inlay_moq_done_code { INLAY_MOQ_DONE_CODES(INLAY_MOQ_CODE) };
#undef INLAY_MOQ_CODE

#define INLAY_MOQ_CODE(name, value, text) INLAY_MOQ_RESET_##name = value,
enum inlay_moq_reset_code { INLAY_MOQ_RESET_CODES(INLAY_MOQ_CODE) };
#undef INLAY_MOQ_CODE

/* Never NULL. */
const char *inlay_moq_session_error_text(__u64 code);
const char *inlay_moq_request_code_text(__u64 code);
const char *inlay_moq_done_code_text(__u64 code);
const char *inlay_moq_reset_code_text(__u64 code);

#endif
