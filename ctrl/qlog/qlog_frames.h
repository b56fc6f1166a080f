/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames as qlog has them (draft-ietf-quic-qlog-quic-events), from the one frame parser.
 *
 * Invariant: no byte of a stream or datagram, no token and no stateless reset token goes in; of
 * these there are lengths at most.
 */
#ifndef INLAY_QLOG_FRAMES_H
#define INLAY_QLOG_FRAMES_H

#include <jansson.h>
#include <stdint.h>

#include "inlay_quic_frame.h"

#define INLAY_QLOG_FRAMES_MAX 64 /* of one packet; the rest makes one unknown frame */

/* A list of what is in |frames|, as far as it can be read. NULL: no memory. */
json_t *inlay_qlog_frames(struct inlay_cursor frames, __u8 ack_delay_exponent);
/* "protocol_violation"; "unknown". |buffer|: for codes of TLS alerts. */
const char *inlay_qlog_transport_error(__u64 code, char buffer[24]);
/* Text of |len| untrusted bytes: what is not printable is replaced. */
json_t *inlay_qlog_text(const void *text, size_t len);
json_t *inlay_qlog_hex(const __u8 *data, size_t len);

static inline json_t *inlay_qlog_number(__u64 value)
{
	return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

#endif
