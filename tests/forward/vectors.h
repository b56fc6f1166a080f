/* SPDX-License-Identifier: BSD-2-Clause */
/* Shorthands that the table of vectors is written in. */
#ifndef INLAY_TESTS_FORWARD_VECTORS_H
#define INLAY_TESTS_FORWARD_VECTORS_H

#include "vector.h"

#define WHY(name) (INLAY_REASON_##name + 1)

/* Frames. */
#define S(number_, offset_, hex_)                                                                  \
	{                                                                                          \
		.kind = VECTOR_STREAM, .number = number_, .offset = offset_, .hex = hex_           \
	}
#define S_FIN(number_, offset_, hex_)                                                              \
	{                                                                                          \
		.kind = VECTOR_STREAM, .number = number_, .offset = offset_, .hex = hex_,          \
		.fin = true                                                                        \
	}
#define S_LAST(number_, offset_, hex_)                                                             \
	{                                                                                          \
		.kind = VECTOR_LAST, .number = number_, .offset = offset_, .hex = hex_             \
	}
#define D(hex_)                                                                                    \
	{                                                                                          \
		.kind = VECTOR_DATAGRAM, .hex = hex_                                               \
	}
#define RAW(hex_)                                                                                  \
	{                                                                                          \
		.kind = VECTOR_RAW, .hex = hex_                                                    \
	}

/* What comes out: {subscriber, packet number, head, payload in the packet, log entry}. */
#define COPY(subscriber_, pn_, head_, at_, len_, stream_, offset_, payload_, size_, flags_)        \
	{                                                                                          \
		.subscriber = subscriber_, .pn = pn_, .head = head_, .payload_at = at_,            \
		.payload_len = len_,                                                               \
		.sent = {                                                                          \
			.stream = stream_,                                                         \
			.time_us = 5000000,                                                        \
			.offset = offset_,                                                         \
			.payload_len = payload_,                                                   \
			.packet_size = size_,                                                      \
			.flags = flags_,                                                           \
			.pn_state = INLAY_SENT_WORD(pn_, INLAY_SENT_SENT),                         \
		},                                                                                 \
	}

#define DONE	  INLAY_FORWARD_DONE
#define PASS	  INLAY_FORWARD_PASS
#define FORWARDED INLAY_MEDIA_FORWARDED
#define DECLINED  INLAY_MEDIA_DECLINED
#define OLD	  INLAY_MEDIA_OLD

#endif
