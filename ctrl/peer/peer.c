/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer's connection: its packets, its timers, its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "addr.h"
#include "peer_impl.h"

#define GATHER 16

/* ---- the end ---- */

static void report_closed(struct inlay_peer *p, inlay_ns now)
{
	if (p->closed)
		return;
	p->closed = true;
	/* RFC 9000 section 10.2: three times the PTO. */
	p->dead_at = now + (p->conn ? 3 * ngtcp2_conn_get_pto(p->conn) : 0);
	if (p->config.ops->on_closed)
		p->config.ops->on_closed(p->config.user, &p->why);
}

static void set_reason(struct inlay_peer *p, const ngtcp2_ccerr *error, bool by_peer)
{
	size_t n =
		error->reasonlen < sizeof(p->why.text) ? error->reasonlen : sizeof(p->why.text) - 1;
	size_t i;

	p->why.by_peer = by_peer;
	p->why.application = error->type == NGTCP2_CCERR_TYPE_APPLICATION;
	p->why.code = error->error_code;
	for (i = 0; i < n; i++)
		p->why.text[i] = error->reason[i] >= ' ' && error->reason[i] < 0x7f
					 ? (char)error->reason[i]
					 : '?';
	p->why.text[n] = 0;
}

static void drop(struct inlay_peer *p, inlay_ns now)
{
	p->dead = true;
	report_closed(p, now);
}

/* |rv| came from ngtcp2 and ended the connection, or was nothing serious. */
static void on_error(struct inlay_peer *p, int rv, inlay_ns now)
{
	switch (rv) {
	case 0:
	case NGTCP2_ERR_CLOSING:
		return;
	case NGTCP2_ERR_DRAINING:
		if (!p->closed && !p->why.reset)
			set_reason(p, ngtcp2_conn_get_ccerr(p->conn), true);
		report_closed(p, now);
		return;
	case NGTCP2_ERR_IDLE_CLOSE:
		p->why.idle = true;
		drop(p, now);
		return;
	case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
		p->why.idle = true;
		snprintf(p->why.text, sizeof(p->why.text), "the handshake timed out");
		drop(p, now);
		return;
	case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
		snprintf(p->why.text, sizeof(p->why.text), "no QUIC version in common");
		drop(p, now);
		return;
	case NGTCP2_ERR_RETRY:
	case NGTCP2_ERR_DROP_CONN:
		drop(p, now);
		return;
	}
	if (p->close_due)
		return;
	if (rv == NGTCP2_ERR_CRYPTO) {
		inlay_peer_tls_note_failure(&p->tls);
		snprintf(p->error_text, sizeof(p->error_text), "%s", p->tls.refused);
		ngtcp2_ccerr_set_tls_alert(&p->error, ngtcp2_conn_get_tls_alert(p->conn),
					   (uint8_t *)p->error_text, strlen(p->error_text));
	} else {
		snprintf(p->error_text, sizeof(p->error_text), "%s", ngtcp2_strerror(rv));
		ngtcp2_ccerr_set_liberr(&p->error, rv, (uint8_t *)p->error_text,
					strlen(p->error_text));
	}
	p->close_due = true;
}

void inlay_peer_close(struct inlay_peer *p, bool application, __u64 code, const char *text)
{
	if (p->close_due || p->closed)
		return;
	snprintf(p->error_text, sizeof(p->error_text), "%s", text ? text : "");
	if (application)
		ngtcp2_ccerr_set_application_error(&p->error, code, (uint8_t *)p->error_text,
						   strlen(p->error_text));
	else
		ngtcp2_ccerr_set_transport_error(&p->error, code, (uint8_t *)p->error_text,
						 strlen(p->error_text));
	p->close_due = true;
}

/* Writes CONNECTION_CLOSE once; it is kept, to answer what still comes. */
static void write_close(struct inlay_peer *p, inlay_ns now)
{
	ngtcp2_ssize n = 0;

	set_reason(p, &p->error, false);
	if (p->conn)
		n = ngtcp2_conn_write_connection_close(p->conn, NULL, NULL, p->farewell,
						       sizeof(p->farewell), &p->error, now);
	p->farewell_len = n > 0 ? (size_t)n : 0;
	p->farewell_due = n > 0;
	if (n <= 0) /* too early for any packet */
		p->dead = true;
	report_closed(p, now);
}

int inlay_peer_new(const struct inlay_peer_config *config, inlay_ns now,
		   struct inlay_peer **ret_peer)
{
	struct inlay_peer *p;
	int rv;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->config = *config;
	p->now = now;
	inlay_peer_set_defaults(&p->config);
	inlay_list_init(&p->streams);
	inlay_list_init(&p->ready);
	inlay_list_init(&p->datagrams);
	ngtcp2_ccerr_default(&p->error);
	rv = p->config.cid_len > INLAY_CID_MAX ? -EINVAL : 0;
	if (!rv && config->role == INLAY_SERVER && p->config.cid_len < INLAY_OWN_CID)
		rv = -EINVAL;
	if (!rv && gnutls_rnd(GNUTLS_RND_KEY, p->secret, sizeof(p->secret)) < 0)
		rv = -EIO;
	if (!rv)
		rv = inlay_peer_tls_init(&p->tls, &p->config);
	if (!rv && config->role == INLAY_CLIENT)
		rv = inlay_peer_start_client(p, now);
	if (rv) {
		inlay_peer_free(p);
		return rv;
	}
	*ret_peer = p;
	return 0;
}

void inlay_peer_free(struct inlay_peer *p)
{
	if (!p)
		return;
	inlay_peer_streams_fini(p);
	ngtcp2_conn_del(p->conn);
	inlay_peer_tls_fini(&p->tls);
	gnutls_memset(p->secret, 0, sizeof(p->secret));
	free(p);
}

/* ---- packets ---- */

void inlay_peer_recv(struct inlay_peer *p, const struct inlay_path *path, const __u8 *datagram,
		     size_t len, inlay_ns now)
{
	ngtcp2_pkt_info info = {.ecn = p->mark_in};
	struct inlay_wire_path wire;

	p->now = now;
	if (p->dead)
		return;
	p->stats.packets_received++;
	p->stats.bytes_received += len;
	if (p->closed) {
		/* RFC 9000 section 10.2.1: answer with the close again. */
		p->farewell_due = p->farewell_len > 0 && !p->why.by_peer;
		return;
	}
	if (p->close_due)
		return;
	inlay_wire_path_of(&wire, path);
	if (!p->conn && inlay_peer_start_server(p, &wire, datagram, len, now))
		drop(p, now);
	if (p->conn && !p->dead)
		on_error(p, ngtcp2_conn_read_pkt(p->conn, &wire.path, &info, datagram, len, now),
			 now);
}

/* 0, with |ret_more|: look again. Else as ngtcp2_conn_writev_datagram(). */
static ngtcp2_ssize write_datagram(struct inlay_peer *p, __u8 *dst, size_t room, inlay_ns now,
				   bool *ret_more)
{
	struct inlay_peer_datagram *d =
		inlay_list_entry(p->datagrams.next, struct inlay_peer_datagram, node);
	int accepted = 0;
	ngtcp2_ssize n;

	n = ngtcp2_conn_write_datagram(p->conn, &p->out.path, &p->tx_info, dst, room, &accepted,
				       NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, d->data, d->len, now);
	if (accepted || n == NGTCP2_ERR_INVALID_ARGUMENT || n == NGTCP2_ERR_INVALID_STATE)
		inlay_peer_datagram_pop(p);
	if (!accepted && (n == NGTCP2_ERR_INVALID_ARGUMENT || n == NGTCP2_ERR_INVALID_STATE))
		p->stats.datagrams_dropped++;
	*ret_more = n == NGTCP2_ERR_WRITE_MORE || n == NGTCP2_ERR_INVALID_ARGUMENT ||
		    n == NGTCP2_ERR_INVALID_STATE;
	return *ret_more ? 0 : n;
}

/* The first stream, in order of priority, that connection flow control lets go. */
static struct inlay_peer_stream *next_stream(struct inlay_peer *p)
{
	bool credit = ngtcp2_conn_get_max_data_left(p->conn) > 0;
	struct inlay_list *at;

	inlay_list_for_each (at, &p->ready) {
		struct inlay_peer_stream *s =
			inlay_list_entry(at, struct inlay_peer_stream, in_ready);

		if (credit || s->sent == s->end)
			return s;
	}
	return NULL;
}

static ngtcp2_ssize write_stream(struct inlay_peer *p, struct inlay_peer_stream *s, __u8 *dst,
				 size_t room, inlay_ns now, bool *ret_more)
{
	uint32_t flags = s ? NGTCP2_WRITE_STREAM_FLAG_MORE : NGTCP2_WRITE_STREAM_FLAG_NONE;
	ngtcp2_vec vec[GATHER];
	ngtcp2_ssize taken = -1, rv;
	bool all = false, fin;
	size_t n = 0;

	if (s)
		n = inlay_peer_stream_gather(s, vec, GATHER, &all);
	fin = s && all && s->fin;
	if (fin)
		flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
	rv = ngtcp2_conn_writev_stream(p->conn, &p->out.path, &p->tx_info, dst, room, &taken, flags,
				       s ? (int64_t)s->id : -1, vec, n, now);
	if (s && taken >= 0)
		inlay_peer_stream_sent(p, s, (size_t)taken, fin);
	switch (rv) {
	case NGTCP2_ERR_STREAM_DATA_BLOCKED:
		/* Or the connection is: next_stream() knows, and this one waits for no credit. */
		if (ngtcp2_conn_get_max_data_left(p->conn) > 0) {
			s->blocked = true;
			inlay_list_remove(&s->in_ready);
		}
		break;
	case NGTCP2_ERR_STREAM_NOT_FOUND:
	case NGTCP2_ERR_STREAM_SHUT_WR:
		inlay_peer_stream_mark_shut(p, s);
		break;
	case NGTCP2_ERR_WRITE_MORE:
		break;
	default:
		*ret_more = false;
		return rv;
	}
	*ret_more = true;
	return 0;
}

static ngtcp2_ssize write_packet(struct inlay_peer *p, __u8 *dst, size_t room, inlay_ns now)
{
	struct inlay_peer_stream *s;
	bool more = true;
	ngtcp2_ssize n = 0;

	while (more && (s = next_stream(p)) && s->priority < INLAY_PEER_DATAGRAM_PRIORITY)
		n = write_stream(p, s, dst, room, now, &more);
	while (more && p->connected && !inlay_list_is_empty(&p->datagrams))
		n = write_datagram(p, dst, room, now, &more);
	while (more)
		n = write_stream(p, next_stream(p), dst, room, now, &more);
	return n;
}

static size_t take_farewell(struct inlay_peer *p, __u8 *dst, size_t room)
{
	if (!p->farewell_due || p->farewell_len > room)
		return 0;
	p->farewell_due = false;
	memcpy(dst, p->farewell, p->farewell_len);
	return p->farewell_len;
}

static size_t count_sent(struct inlay_peer *p, size_t len)
{
	if (len) {
		p->stats.packets_sent++;
		p->stats.bytes_sent += len;
	}
	return len;
}

size_t inlay_peer_send(struct inlay_peer *p, __u8 *dst, size_t room, inlay_ns now)
{
	ngtcp2_ssize n;

	p->now = now;
	p->tx_info.ecn = NGTCP2_ECN_NOT_ECT;
	ngtcp2_path_storage_zero(&p->out);
	if (p->close_due && !p->closed)
		write_close(p, now);
	if (p->closed || !p->conn)
		return count_sent(p, take_farewell(p, dst, room));
	/* A burst is what the pacer lets go at once; then it is told how much it was. */
	if (p->burst && p->burst + room > ngtcp2_conn_get_send_quantum(p->conn)) {
		ngtcp2_conn_update_pkt_tx_time(p->conn, now);
		p->burst = 0;
	}
	n = write_packet(p, dst, room, now);
	if (n <= 0) {
		ngtcp2_conn_update_pkt_tx_time(p->conn, now);
		p->burst = 0;
	}
	if (n < 0) {
		on_error(p, (int)n, now);
		if (p->close_due && !p->closed)
			write_close(p, now);
		return count_sent(p, take_farewell(p, dst, room));
	}
	p->burst += (size_t)n;
	return count_sent(p, (size_t)n);
}

void inlay_peer_set_mark(struct inlay_peer *p, __u8 ecn)
{
	p->mark_in = ecn & NGTCP2_ECN_MASK;
}

__u8 inlay_peer_mark(const struct inlay_peer *p)
{
	return p->tx_info.ecn & NGTCP2_ECN_MASK;
}

size_t inlay_peer_send_by(struct inlay_peer *p, __u8 *dst, size_t room, struct inlay_path *ret_path,
			  inlay_ns now)
{
	size_t n = inlay_peer_send(p, dst, room, now);

	memset(ret_path, 0, sizeof(*ret_path));
	if (n == 0 || p->out.path.remote.addrlen == 0)
		return n;
	inlay_addr_from_sockaddr((struct sockaddr *)p->out.path.local.addr, &ret_path->local);
	inlay_addr_from_sockaddr((struct sockaddr *)p->out.path.remote.addr, &ret_path->remote);
	return n;
}

inlay_ns inlay_peer_deadline(const struct inlay_peer *p)
{
	if (p->dead)
		return INLAY_NEVER;
	if (p->closed)
		return p->dead_at;
	return p->conn ? ngtcp2_conn_get_expiry(p->conn) : INLAY_NEVER;
}

void inlay_peer_on_timer(struct inlay_peer *p, inlay_ns now)
{
	p->now = now;
	if (p->dead)
		return;
	if (p->closed) {
		p->dead = now >= p->dead_at;
		return;
	}
	if (p->conn && ngtcp2_conn_get_expiry(p->conn) <= now)
		on_error(p, ngtcp2_conn_handle_expiry(p->conn, now), now);
}

int inlay_peer_update_keys(struct inlay_peer *p, inlay_ns now)
{
	if (!p->connected || p->closed || p->close_due)
		return -ENOTCONN;
	return ngtcp2_conn_initiate_key_update(p->conn, now) ? -EAGAIN : 0;
}

int inlay_peer_migrate(struct inlay_peer *p, const struct inlay_path *path, bool at_once,
		       inlay_ns now)
{
	const ngtcp2_transport_params *remote;
	struct inlay_wire_path wire;
	int rv;

	if (!p->connected || p->closed || p->close_due)
		return -ENOTCONN;
	remote = ngtcp2_conn_get_remote_transport_params(p->conn);
	if (remote && remote->disable_active_migration)
		return -EPERM;
	inlay_wire_path_of(&wire, path);
	rv = at_once ? ngtcp2_conn_initiate_immediate_migration(p->conn, &wire.path, now)
		     : ngtcp2_conn_initiate_migration(p->conn, &wire.path, now);
	return rv ? -EAGAIN : 0;
}

/* ---- what there is to know ---- */

inlay_ns inlay_peer_now(const struct inlay_peer *p)
{
	return p->now;
}

bool inlay_peer_is_connected(const struct inlay_peer *p)
{
	return p->connected && !p->closed;
}

bool inlay_peer_is_server(const struct inlay_peer *p)
{
	return p->config.role == INLAY_SERVER;
}

bool inlay_peer_is_dead(const struct inlay_peer *p)
{
	return p->dead;
}

const struct inlay_close_reason *inlay_peer_close_reason(const struct inlay_peer *p)
{
	return p->closed ? &p->why : NULL;
}

const char *inlay_peer_certificate_error(const struct inlay_peer *p)
{
	return p->tls.refused[0] ? p->tls.refused : NULL;
}

const char *inlay_peer_cipher(const struct inlay_peer *p)
{
	return p->connected ? gnutls_cipher_get_name(gnutls_cipher_get(p->tls.session)) : "";
}

bool inlay_peer_after_retry(const struct inlay_peer *p)
{
	return p->conn && ngtcp2_conn_after_retry(p->conn);
}

void inlay_peer_stats(const struct inlay_peer *p, struct inlay_peer_stats *ret)
{
	ngtcp2_conn_info info = {0};

	*ret = p->stats;
	ret->bytes_unsent = p->unsent;
	ret->bytes_unacked = p->unacked;
	ret->streams_open = p->n_streams;
	ret->datagram_bytes = p->datagram_bytes;
	if (!p->conn)
		return;
	ngtcp2_conn_get_conn_info(p->conn, &info);
	ret->bytes_in_flight = info.bytes_in_flight;
	ret->cwnd = info.cwnd;
	ret->smoothed_rtt = info.smoothed_rtt;
	ret->min_rtt = info.min_rtt;
	ret->latest_rtt = info.latest_rtt;
	ret->rttvar = info.rttvar;
	ret->path_mtu = ngtcp2_conn_get_path_max_tx_udp_payload_size(p->conn);
}
