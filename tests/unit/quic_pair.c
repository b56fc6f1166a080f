/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_quic.h"
#include "provider_local.h"
#include "quic_pair.h"

#define PPM_PER_PCT 10000

struct pair_packet {
	struct pair_packet *next;
	inlay_ns at;
	struct quic_pair_side *to;
	bool opened; /* waits in the ring */
	__u8 ecn;
	struct inlay_path path; /* as |to| sees it */
	size_t len;
	__u8 data[INLAY_FRAME_MAX];
};

/* --- Provider hooks of the engine ----------------------------------------------------------- */

static int on_cid_issue(void *user, struct inlay_cid *ret_cid, __u8 ret_token[16])
{
	struct quic_pair_side *s = user;
	__u8 data[INLAY_OWN_CID];

	seeded_bytes(&s->pair->rng, data, sizeof(data));
	seeded_bytes(&s->pair->rng, ret_token, 16);
	inlay_cid_set(ret_cid, data, sizeof(data));
	return s->pair->provider->ops->cid_add(s->pair->provider, s->rx, ret_cid);
}

static void on_cid_retire(void *user, const struct inlay_cid *cid)
{
	struct quic_pair_side *s = user;

	assert_int_equal(s->pair->provider->ops->cid_del(s->pair->provider, s->rx, cid), 0);
}

static void on_peer_cid(void *user, const struct inlay_cid *cid, bool add)
{
	struct quic_pair_side *s = user;
	struct inlay_provider *p = s->pair->provider;

	if (add)
		assert_int_equal(p->ops->cid_add(p, s->tx, cid), 0);
	else
		assert_int_equal(p->ops->cid_del(p, s->tx, cid), 0);
}

static int on_next_phase_tx(void *user, __u64 first_pn)
{
	struct quic_pair_side *s = user;

	return inlay_keystore_next_phase(s->pair->ks, s->secret, INLAY_TX, s->pair->provider, s->tx,
					 first_pn);
}

static int on_next_phase_rx(void *user)
{
	struct quic_pair_side *s = user;

	return inlay_keystore_next_phase(s->pair->ks, s->secret, INLAY_RX, s->pair->provider, s->rx,
					 0);
}

static void on_drop_old_phase(void *user)
{
	struct quic_pair_side *s = user;

	assert_int_equal(s->pair->provider->ops->drop_old_phase(s->pair->provider, s->rx), 0);
}

static void on_path_change(void *user, const struct inlay_path *path)
{
	struct quic_pair_side *s = user;

	s->path = *path;
	assert_int_equal(s->pair->provider->ops->set_path(s->pair->provider, s->tx, path), 0);
}

static void on_path_probe(void *user, const struct inlay_path *path, bool add)
{
	struct quic_pair_side *s = user;
	struct inlay_provider *p = s->pair->provider;

	if (!memcmp(&path->remote, &s->path.remote, sizeof(path->remote)))
		return;
	if (add)
		assert_int_equal(p->ops->remote_add(p, s->tx, &path->remote), 0);
	else
		assert_int_equal(p->ops->remote_del(p, s->tx, &path->remote), 0);
}

static void on_random(void *user, __u8 *dst, size_t len)
{
	struct quic_pair_side *s = user;

	seeded_bytes(&s->pair->rng, dst, len);
}

static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct quic_pair_side *s = user;

	assert_false(s->closed);
	s->closed = true;
	s->why = *why;
	if (s->pair->config.app && s->pair->config.app->on_closed)
		s->pair->config.app->on_closed(user, why);
}

static void set_ops(struct quic_pair_side *s)
{
	if (s->pair->config.app)
		s->ops = *s->pair->config.app;
	s->ops.cid_issue = on_cid_issue;
	s->ops.cid_retire = on_cid_retire;
	s->ops.peer_cid = on_peer_cid;
	s->ops.next_phase_tx = on_next_phase_tx;
	s->ops.next_phase_rx = on_next_phase_rx;
	s->ops.drop_old_phase = on_drop_old_phase;
	s->ops.path_change = on_path_change;
	s->ops.path_probe = on_path_probe;
	s->ops.random = on_random;
	s->ops.on_closed = on_closed;
}

/* --- Set-up --------------------------------------------------------------------------------- */

struct quic_pair_config quic_pair_defaults(__u64 seed)
{
	return (struct quic_pair_config){
		.seed = seed,
		.delay = 20 * INLAY_MS,
		.cipher = INLAY_AES_128_GCM,
		.max_recv_buffer = 1 << 20,
		.params =
			{
				.initial_max_data = 256 * 1024,
				.initial_max_stream_data_bidi_local = 64 * 1024,
				.initial_max_stream_data_bidi_remote = 64 * 1024,
				.initial_max_stream_data_uni = 64 * 1024,
				.initial_max_streams_bidi = 16,
				.initial_max_streams_uni = 16,
				.max_idle_timeout = 30 * INLAY_S,
				.max_udp_payload_size = 1472,
				.active_connection_id_limit = 4,
				.ack_delay_exponent = 3,
				.max_ack_delay = 25 * INLAY_MS,
				.max_datagram_frame_size = 1200,
			},
	};
}

static void set_address(struct inlay_addr *a, __u8 host, __u16 port)
{
	a->family = 2; /* AF_INET */
	a->port = htons(port);
	a->ip[0] = 10;
	a->ip[3] = host;
}

static void add_secrets(struct quic_pair *p)
{
	size_t len = p->config.cipher == INLAY_AES_256_GCM ? 48 : 32;
	__u8 secret[48];
	int i;

	for (i = 0; i < 2; i++)
		assert_int_equal(inlay_keystore_add(p->ks, p->config.cipher, &p->side[i].secret),
				 0);
	for (i = 0; i < 2; i++) {
		seeded_bytes(&p->rng, secret, len);
		assert_int_equal(inlay_keystore_set(p->ks, p->side[i].secret, INLAY_TX,
						    p->config.cipher, secret, len),
				 0);
		assert_int_equal(inlay_keystore_set(p->ks, p->side[!i].secret, INLAY_RX,
						    p->config.cipher, secret, len),
				 0);
	}
}

static void plumb(struct quic_pair_side *s)
{
	struct quic_pair *p = s->pair;
	struct inlay_sa_params rx = {
		.direction = INLAY_RX,
		.path = s->path,
		.cids = &s->handover.own_cid,
		.n_cids = 1,
		.next_pn = p->config.first_pn[!s->role],
	};
	struct inlay_sa_params tx = {
		.direction = INLAY_TX,
		.path = s->path,
		.cids = &s->handover.peer_cid,
		.n_cids = 1,
		.next_pn = p->config.first_pn[s->role],
		.soft_limit = p->config.tx_soft_limit,
		.hard_limit = p->config.tx_hard_limit,
	};

	assert_int_equal(inlay_keystore_plumb(p->ks, s->secret, p->provider, &rx, &s->rx), 0);
	assert_int_equal(inlay_keystore_plumb(p->ks, s->secret, p->provider, &tx, &s->tx), 0);
	s->entry->sa = s->tx.number;
	s->entry->sa_generation = s->tx.generation;
}

static void fill_handover(struct quic_pair_side *s)
{
	struct quic_pair *p = s->pair;
	__u8 cid[INLAY_OWN_CID];

	seeded_bytes(&p->rng, cid, sizeof(cid));
	s->handover.role = s->role;
	s->handover.version = INLAY_QUIC_V1;
	s->handover.path = s->path;
	inlay_cid_set(&s->handover.own_cid, cid, sizeof(cid));
	s->handover.own = p->config.params;
	s->handover.peer = p->config.params;
	s->handover.smoothed_rtt = 2 * p->config.delay;
	s->handover.latest_rtt = 2 * p->config.delay;
	s->handover.min_rtt = 2 * p->config.delay;
	s->handover.rttvar = p->config.delay;
}

struct quic_pair *quic_pair_new(const struct quic_pair_config *config)
{
	const struct inlay_provider_local_config local = {.max_sa = 8, .max_cids = 64};
	struct quic_pair *p = calloc(1, sizeof(*p));
	int i;

	assert_non_null(p);
	p->config = *config;
	p->rng.state = config->seed * 0x9e3779b97f4a7c15ULL | 1;
	p->ks = inlay_keystore_new(4);
	p->provider = inlay_provider_local_new(&local);
	assert_non_null(p->ks);
	assert_non_null(p->provider);
	p->now = 1000 * INLAY_S;
	add_secrets(p);
	for (i = 0; i < 2; i++) {
		struct quic_pair_side *s = &p->side[i];

		s->pair = p;
		s->role = i;
		s->other = &p->side[!i];
		set_address(&s->path.local, (__u8)(1 + i), (__u16)(1000 + i));
		set_address(&s->path.remote, (__u8)(1 + !i), (__u16)(1000 + !i));
		s->outside = s->path.local;
		s->entry = calloc(1, sizeof(*s->entry));
		s->log = calloc(PAIR_LOG, sizeof(*s->log));
		assert_non_null(s->entry);
		assert_non_null(s->log);
		s->entry->next_pn = config->first_pn[i];
		s->last_pn = ~0ULL;
		link_init(&s->link, &(struct link_settings){0}, config->seed + (__u64)i);
		fill_handover(s);
	}
	for (i = 0; i < 2; i++) {
		struct quic_pair_side *s = &p->side[i];
		struct inlay_conn_config c = {
			.handover = &s->handover,
			.ops = &s->ops,
			.user = s,
			.entry = s->entry,
			.log = s->log,
			.log_size = PAIR_LOG,
			.cc = config->cc,
			.max_recv_buffer = config->max_recv_buffer,
			.max_send_buffer = 1 << 20,
			.max_datagram_queue = 1 << 16,
			.max_streams_open = 1000,
			.max_window_growth = config->max_window_growth,
			.recv_memory = config->recv_memory,
			.max_path_mtu = config->max_path_mtu,
			.no_ecn = config->no_ecn,
			.policy = config->policy,
		};

		s->handover.peer_cid = s->other->handover.own_cid;
		plumb(s);
		set_ops(s);
		s->conn = inlay_conn_new(&c, p->now);
		assert_non_null(s->conn);
	}
	return p;
}

void quic_pair_free(struct quic_pair *p)
{
	struct pair_packet *next;
	int i;

	for (; p->packets; p->packets = next) {
		next = p->packets->next;
		free(p->packets);
	}
	for (i = 0; i < 2; i++) {
		struct quic_pair_side *s = &p->side[i];

		inlay_conn_free(s->conn);
		free(s->entry);
		free(s->log);
	}
	inlay_keystore_free(p->ks);
	p->provider->ops->free(p->provider);
	free(p);
}

/* --- The link ------------------------------------------------------------------------------- */

static void enqueue(struct quic_pair *p, struct pair_packet *k)
{
	struct pair_packet **at = &p->packets;

	while (*at && (*at)->at <= k->at)
		at = &(*at)->next;
	k->next = *at;
	*at = k;
}

/* The pair's settings may change at any moment. Jitter reorders: every packet has its own. */
static void set_link(struct quic_pair_side *from)
{
	const struct quic_pair_config *c = &from->pair->config;

	from->link.settings = (struct link_settings){
		.bytes_per_s = c->bytes_per_s,
		.queue_bytes = c->queue_bytes,
		.mark_bytes = c->mark_bytes,
		.delay = c->delay,
		.loss_ppm = c->loss_pct * PPM_PER_PCT,
		.reorder_ppm = c->jitter ? 100 * PPM_PER_PCT : 0,
		.reorder_delay = c->jitter,
		.duplicate_ppm = c->dup_pct * PPM_PER_PCT,
		.mtu = c->mtu,
		.bleach_ecn = c->bleach_ecn,
		.down = from->pair->blackhole,
	};
}

static void put_on_link(struct quic_pair_side *from, const __u8 *data, size_t len, __u8 ecn)
{
	struct quic_pair *p = from->pair;
	struct link_arrival a;
	unsigned int i;

	set_link(from);
	if (p->config.drop_ect && ecn != INLAY_ECN_NOT_ECT)
		return;
	a = link_carry(&from->link, len, ecn, p->now);
	for (i = 0; i < a.n; i++) {
		struct pair_packet *k = calloc(1, sizeof(*k));

		assert_non_null(k);
		k->to = from->other;
		k->path.local = from->other->path.local;
		k->path.remote = from->outside;
		k->at = a.at[i];
		k->ecn = a.ecn;
		k->len = len;
		memcpy(k->data, data, len);
		enqueue(p, k);
	}
}

/* Nothing is larger than the path's MTU but what finds it out, and that travels alone. */
static void check_size(const struct quic_pair_side *s, const struct inlay_quic_clear *clear,
		       size_t len)
{
	bool probe = s->log[clear->pn % PAIR_LOG].flags & INLAY_SENT_MTU_PROBE;

	assert_int_equal(probe, (clear->desc_flags & INLAY_DESC_ALONE) > 0);
	if (len <= s->entry->path_mtu)
		return;
	assert_true(probe);
	assert_true(len <= s->pair->config.max_path_mtu);
	assert_true(len <= s->handover.peer.max_udp_payload_size);
}

static void seal_and_send(struct quic_pair_side *s, __u8 *packet, size_t len,
			  const struct inlay_path *path)
{
	struct inlay_provider *provider = s->pair->provider;
	struct inlay_quic_clear clear = {0};
	struct inlay_seal_item item = {0};
	__u8 ecn;

	assert_true(inlay_quic_clear_parse(packet, len, s->handover.peer_cid.len, &clear));
	assert_true(s->last_pn == ~0ULL || clear.pn > s->last_pn);
	check_size(s, &clear, len);
	s->last_pn = clear.pn;
	s->sent++;
	ecn = (clear.desc_flags & INLAY_DESC_ECN_MASK) >> INLAY_DESC_ECN_SHIFT;
	s->sent_ecn[ecn]++;
	item.header = packet;
	item.header_len = clear.hdr_len;
	item.payload = packet + clear.hdr_len;
	item.payload_len = len - clear.hdr_len - INLAY_TAG;
	item.dst = packet;
	item.dst_room = len;
	item.sa.number = clear.sa;
	item.sa.generation = clear.generation;
	item.pn = clear.pn;
	item.remote = path->remote;
	if (provider->ops->seal(provider, &item, 1) != 1)
		s->refused++;
	else if (!memcmp(&path->remote, &s->other->outside, sizeof(path->remote)))
		put_on_link(s, packet, len, ecn);
}

void quic_pair_flush(struct quic_pair *p)
{
	__u8 packet[INLAY_FRAME_MAX];
	struct inlay_path path;
	size_t len;
	int i, burst;

	for (i = 0; i < 2; i++) {
		for (burst = 0; burst < 10000; burst++) {
			len = inlay_conn_send(p->side[i].conn, packet, sizeof(packet), &path,
					      p->now);
			if (len == 0)
				break;
			seal_and_send(&p->side[i], packet, len, &path);
		}
		assert_true(burst < 10000);
	}
}

static void arrive(struct quic_pair *p, struct pair_packet *k)
{
	struct inlay_open_item item = {
		.packet = k->data,
		.len = k->len,
		.local = k->path.local,
	};

	if (k->opened) {
		inlay_conn_recv(k->to->conn, &k->path, k->data, k->len, p->now);
		free(k);
		return;
	}
	if (p->provider->ops->open(p->provider, &item, 1) != 1) {
		k->to->not_opened++;
		free(k);
		return;
	}
	k->data[k->len - INLAY_TAG + offsetof(struct inlay_desc, flags)] |=
		(__u8)(k->ecn << INLAY_DESC_ECN_SHIFT);
	/* The ring is first in, first out: all that it holds is read at the same beat. */
	k->opened = true;
	if (p->config.ring_delay)
		k->at = (p->now / p->config.ring_delay + 1) * p->config.ring_delay;
	enqueue(p, k);
}

bool quic_pair_step(struct quic_pair *p, inlay_ns until)
{
	inlay_ns at = until, deadline;
	struct pair_packet *k;
	int i;

	quic_pair_flush(p);
	if (p->packets && p->packets->at < at)
		at = p->packets->at;
	for (i = 0; i < 2; i++) {
		deadline = inlay_conn_deadline(p->side[i].conn);
		if (deadline < at)
			at = deadline;
	}
	if (at > p->now)
		p->now = at;
	while (p->packets && p->packets->at <= p->now) {
		k = p->packets;
		p->packets = k->next;
		arrive(p, k);
	}
	for (i = 0; i < 2; i++)
		if (inlay_conn_deadline(p->side[i].conn) <= p->now)
			inlay_conn_on_timer(p->side[i].conn, p->now);
	quic_pair_flush(p);
	return p->now < until;
}

void quic_pair_run(struct quic_pair *p, inlay_ns until)
{
	while (quic_pair_step(p, until))
		;
}

void quic_pair_rebind(struct quic_pair *p)
{
	struct quic_pair_side *client = &p->side[INLAY_CLIENT];

	/* What still goes to the old address is lost. */
	client->outside.port = htons((__u16)(ntohs(client->outside.port) + 10));
}
