/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of a stream that has no source of its own: copied in by inlay_conn_stream_write(), dropped
 * as they are acknowledged. To the sending side it is one more struct inlay_stream_source.
 */
#ifndef INLAY_QUIC_SEND_BUFFER_H
#define INLAY_QUIC_SEND_BUFFER_H

#include "budget.h"
#include "conn.h"

struct inlay_send_buffer;

extern const struct inlay_stream_source inlay_send_buffer_source; /* ctx: the buffer */

/* NULL: no memory. Freed by the source's release(). |budget| outlives it. */
struct inlay_send_buffer *inlay_send_buffer_new(struct inlay_budget *budget);
/* Bytes in it: not acknowledged yet. */
size_t inlay_send_buffer_len(const struct inlay_send_buffer *b);
/* 0; -ENOMEM: no memory, or the budget is used up; nothing is written then. */
int inlay_send_buffer_write(struct inlay_send_buffer *b, const __u8 *data, size_t len);

#endif
