/* SPDX-License-Identifier: BSD-2-Clause */
#include "post_handshake.h"

#define WINDOW (64 * 1024) /* bytes past the first missing one: RFC 9000 section 7.5 wants 4096 */

/* RFC 8446 sections 4 and 6. */
#define NEW_SESSION_TICKET	 4
#define CERTIFICATE_REQUEST	 13
#define ALERT_UNEXPECTED_MESSAGE 10

void inlay_post_handshake_init(struct inlay_post_handshake *p, enum inlay_role role,
			       struct inlay_budget *budget)
{
	*p = (struct inlay_post_handshake){.role = role};
	inlay_stream_recv_init(&p->recv, WINDOW, budget);
}

void inlay_post_handshake_fini(struct inlay_post_handshake *p)
{
	inlay_stream_recv_fini(&p->recv);
}

static enum inlay_quic_error on_message(const struct inlay_post_handshake *p, __u8 type)
{
	if (p->role == INLAY_CLIENT && type == NEW_SESSION_TICKET)
		return INLAY_QUIC_NO_ERROR;
	/* RFC 9001 section 4.4. */
	if (p->role == INLAY_CLIENT && type == CERTIFICATE_REQUEST)
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	/* Section 6: KeyUpdate above all. */
	return INLAY_QUIC_CRYPTO_ERROR + ALERT_UNEXPECTED_MESSAGE;
}

/* Bytes that are next. */
static enum inlay_quic_error skip(struct inlay_post_handshake *p, const __u8 *data, size_t len)
{
	enum inlay_quic_error err;
	size_t n;

	for (; len > 0; data += n, len -= n) {
		if (p->body_left > 0) {
			n = p->body_left < len ? p->body_left : len;
			p->body_left -= (__u32)n;
			continue;
		}
		n = 1;
		p->header[p->header_len++] = *data;
		/* The type is judged at once: the rest may never come. */
		if (p->header_len == 1) {
			err = on_message(p, *data);
			if (err)
				return err;
		}
		if (p->header_len < sizeof(p->header))
			continue;
		p->body_left = (__u32)p->header[1] << 16 | p->header[2] << 8 | p->header[3];
		p->header_len = 0;
	}
	return INLAY_QUIC_NO_ERROR;
}

static enum inlay_quic_error take(struct inlay_post_handshake *p, const __u8 *data, size_t len)
{
	enum inlay_quic_error err = skip(p, data, len);

	inlay_stream_recv_advance(&p->recv, len);
	return err;
}

enum inlay_quic_error inlay_post_handshake_recv(struct inlay_post_handshake *p,
						const struct inlay_quic_stream *f,
						bool *ret_refused)
{
	enum inlay_quic_error err = INLAY_QUIC_NO_ERROR;
	__u64 next = p->recv.next, end = f->offset + f->len;
	const __u8 *data;
	size_t len;

	if (end > next + WINDOW)
		return INLAY_QUIC_CRYPTO_BUFFER_EXCEEDED;
	if (end <= next)
		return INLAY_QUIC_NO_ERROR;
	if (f->offset > next) {
		*ret_refused = inlay_stream_recv_store(&p->recv, f->offset, f->data, f->len) != 0;
		return INLAY_QUIC_NO_ERROR;
	}
	err = take(p, f->data + (next - f->offset), end - next);
	while (!err && inlay_stream_recv_peek(&p->recv, &data, &len))
		err = take(p, data, len);
	return err;
}
