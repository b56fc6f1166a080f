/* SPDX-License-Identifier: BSD-2-Clause */
/* What a seed makes of the world: sizes, limits, timeouts, manners, weather. */
#include "sim.h"

#define PICK(rng, list) ((list)[seeded_below(rng, INLAY_ARRAY_SIZE(list))])

static __u64 pick_u64(struct seeded *rng, const __u64 *list, size_t n)
{
	return list[seeded_below(rng, n)];
}

#define PICK_U64(rng, ...)                                                                         \
	pick_u64(rng, (const __u64[]){__VA_ARGS__},                                                \
		 sizeof((const __u64[]){__VA_ARGS__}) / sizeof(__u64))

static void draw_link_line(struct seeded *rng, struct link_settings *l)
{
	l->bytes_per_s = PICK_U64(rng, 0, 12500000, 2500000, 1250000, 625000, 250000, 125000);
	if (l->bytes_per_s == 0)
		return;
	l->queue_bytes = PICK_U64(rng, 12000, 32000, 64000, 256000);
	if (sim_chance(rng, 25))
		l->mark_bytes = l->queue_bytes / 4;
}

void sim_plan_link(struct seeded *rng, __u32 harshness, struct link_settings *ret)
{
	static const __u32 loss[] = {0, 20000, 80000, 200000}; /* at most, in a million */

	*ret = (struct link_settings){.delay = sim_between(rng, 0, 10 + 40 * harshness) * INLAY_MS};
	if (sim_chance(rng, 70))
		draw_link_line(rng, ret);
	if (harshness == 0)
		return;
	if (sim_chance(rng, 50))
		ret->jitter = sim_between(rng, 0, 20 * harshness) * INLAY_MS;
	if (sim_chance(rng, 60))
		ret->loss_ppm = (__u32)seeded_below(rng, loss[harshness]);
	if (sim_chance(rng, 40)) {
		ret->reorder_ppm = (__u32)seeded_below(rng, 50000);
		ret->reorder_delay = sim_between(rng, 1, 60) * INLAY_MS;
	}
	if (sim_chance(rng, 40))
		ret->duplicate_ppm = (__u32)seeded_below(rng, 50000);
	if (sim_chance(rng, 30))
		ret->mtu = (__u32)sim_between(rng, 1200, 1500);
	ret->bleach_ecn = sim_chance(rng, 10);
}

static void draw_params(struct seeded *rng, struct inlay_transport_params *p, inlay_ns idle)
{
	p->initial_max_data = PICK_U64(rng, 64 << 10, 256 << 10, 1 << 20, 16 << 20);
	p->initial_max_stream_data_uni = PICK_U64(rng, 4 << 10, 32 << 10, 256 << 10, 4 << 20);
	p->initial_max_stream_data_bidi_local = PICK_U64(rng, 2 << 10, 64 << 10, 256 << 10);
	p->initial_max_stream_data_bidi_remote = p->initial_max_stream_data_bidi_local;
	p->initial_max_streams_uni = PICK_U64(rng, 4, 12, 100, 1000);
	p->initial_max_streams_bidi = PICK_U64(rng, 4, 16, 100);
	p->max_idle_timeout = idle;
	p->max_udp_payload_size = PICK_U64(rng, 1200, 1400, 1472);
	p->active_connection_id_limit = PICK_U64(rng, 2, 3, 4, 8);
	p->ack_delay_exponent = PICK_U64(rng, 0, 3, 8);
	p->max_ack_delay = PICK_U64(rng, 0, 10, 25, 60) * INLAY_MS;
	p->has_min_ack_delay = sim_chance(rng, 70);
	p->reset_stream_at = sim_chance(rng, 70);
	p->disable_active_migration = sim_chance(rng, 10);
	p->min_ack_delay = INLAY_MS < p->max_ack_delay ? INLAY_MS : p->max_ack_delay;
	p->max_datagram_frame_size = PICK_U64(rng, 65535, 65535, 1200, 600);
}

static void draw_endpoint(struct seeded *rng, struct inlay_endpoint_config *e, inlay_ns idle)
{
	static const enum inlay_cc_algorithm cc[] = {INLAY_CC_NEWRENO, INLAY_CC_CUBIC,
						     INLAY_CC_LIVE};

	inlay_endpoint_config_init(e);
	draw_params(rng, &e->params, idle);
	e->log_size = (__u32)PICK_U64(rng, 64, 256, 512, 2048);
	e->cc = PICK(rng, cc);
	/* Now and then less than the window that is granted: what has no room comes again. */
	e->max_recv_buffer = sim_chance(rng, 20) ? 64 << 10 : e->params.initial_max_data;
	e->max_window_growth = (__u32)PICK_U64(rng, 0, 1, 4);
	e->max_recv_memory = PICK_U64(rng, 128 << 10, 256 << 20);
	e->max_path_mtu = (__u32)PICK_U64(rng, 0, 1280, 1472, INLAY_FRAME_ROOM);
	e->no_ecn = sim_chance(rng, 25);
	e->keep_alive = PICK_U64(rng, 0, 800) * INLAY_MS;
	e->max_datagram_queue = PICK_U64(rng, 4 << 10, 64 << 10, 256 << 10);
	e->max_streams_open = PICK_U64(rng, 24, 200, 4096);
	e->has_reset_key = true;
	seeded_bytes(rng, e->reset_key, sizeof(e->reset_key));
}

static void draw_relay(struct seeded *rng, struct inlay_relay_config *r)
{
	if (sim_chance(rng, 25)) {
		r->cache.max_track_bytes = PICK_U64(rng, 32 << 10, 128 << 10, 1 << 20);
		r->cache.max_bytes = 2 * r->cache.max_track_bytes;
		r->cache.max_track_groups = (__u32)PICK_U64(rng, 2, 8, 1024);
	}
	if (sim_chance(rng, 30))
		r->max_streams = (__u32)PICK_U64(rng, 2, 6, 32);
	if (sim_chance(rng, 20))
		r->max_resets = (__u32)PICK_U64(rng, 3, 20);
	r->grace = PICK_U64(rng, 500, 3000, 10000) * INLAY_MS;
	r->linger = PICK_U64(rng, 100, 2000) * INLAY_MS;
	r->max_cache_age = PICK_U64(rng, 2, 5, 60) * INLAY_S;
	r->hash_seed = seeded_u64(rng);
}

/* One policy for the relay's choice of streams and for the engine's limits, as the daemon has it.
 */
static void draw_policy(struct seeded *rng, struct sim_plan *p)
{
	static const struct inlay_policy *const policies[] = {NULL, &inlay_policy_fair,
							      &inlay_policy_live};

	p->relay.policy = p->relay_endpoint.policy = PICK(rng, policies);
}

static void draw_manners(struct seeded *rng, struct sim_plan *p)
{
	struct sim_weights *w = &p->weights;

	p->active = sim_between(rng, 1500, 9000) * INLAY_MS;
	p->pause = sim_between(rng, 60, 1500) * INLAY_MS;
	if (sim_chance(rng, 4))
		p->restart = p->active / 100 * sim_between(rng, 20, 80);
	if (sim_chance(rng, 25))
		p->damage_ppm = (__u32)seeded_below(rng, 10000);
	p->subscriber_timeouts = sim_chance(rng, 20);
	p->replay_ppm = sim_chance(rng, 40) ? (__u32)seeded_below(rng, 50000) : 0;
	p->large_aliases = sim_chance(rng, 50);
	p->malformed = sim_chance(rng, 15);
	*w = (struct sim_weights){
		.subscribe = 10,
		.unsubscribe = (__u32)seeded_below(rng, 4),
		.update = (__u32)seeded_below(rng, 4),
		.stall = (__u32)seeded_below(rng, 3),
		.rebind = (__u32)seeded_below(rng, 4),
		.key_update = (__u32)seeded_below(rng, 4),
		.rotate = (__u32)seeded_below(rng, 3),
		.migrate = (__u32)seeded_below(rng, 3),
		.link = (__u32)seeded_below(rng, 4),
		.outage = (__u32)seeded_below(rng, 3),
		.leave = (__u32)seeded_below(rng, 3),
		.vanish = (__u32)seeded_below(rng, 2),
		.reset = (__u32)seeded_below(rng, 3),
		.status = (__u32)seeded_below(rng, 2),
	};
}

/* How late the relay's control thread hears of what its data thread has opened, and in which order.
 */
static void draw_rings(struct seeded *rng, struct sim_plan *p)
{
	p->n_rings = sim_chance(rng, 50) ? 1 : (__u32)sim_between(rng, 2, SIM_RINGS);
	if (sim_chance(rng, 40))
		p->lag = sim_between(rng, 1, 40) * INLAY_MS;
	if (sim_chance(rng, 15))
		p->overflow_ppm = (__u32)seeded_below(rng, 20000);
}

/* A forwarder, in state that is scarce or not; and what lets it forward: publishers' packets that
 * are smaller than what subscribers' paths take. */
static void make_room(struct sim_plan *p)
{
	struct inlay_endpoint_config *r = &p->relay_endpoint, *c = &p->client_endpoint;

	r->params.max_udp_payload_size = 1200;
	r->max_path_mtu = INLAY_FRAME_ROOM;
	c->params.max_udp_payload_size = 1472;
	p->state.subscribers = 64;
	p->state.tracks = 16;
}

static void draw_forwarder(struct seeded *rng, struct sim_plan *p)
{
	p->forward = sim_chance(rng, 80);
	p->state = (struct inlay_state_config){
		.subscribers = (__u32)PICK_U64(rng, 4, 64),
		.log_size = p->relay_endpoint.log_size,
		.upstreams = (__u32)PICK_U64(rng, 1, 8),
		.journal_size = (__u32)PICK_U64(rng, 16, 128, 1024),
		.tracks = (__u32)PICK_U64(rng, 2, 16),
		.slots = (__u32)PICK_U64(rng, 4, 16, 64, 256),
		.sas = 2 * SIM_SAS,
	};
	if (sim_chance(rng, 30))
		p->refuse_ppm = (__u32)seeded_below(rng, 30000);
	if (sim_chance(rng, 50))
		p->hold = sim_between(rng, 1, 30) * INLAY_MS;
	if (sim_chance(rng, 80))
		make_room(p);
}

/* By a generator of its own: other worlds are as they were before there was such a thing. */
static void draw_rivals(__u64 seed, struct sim_plan *p)
{
	struct seeded rng = {.state = (seed + 5) * 0xbf58476d1ce4e5b9ULL | 1};

	for (int i = 0; i < 4; i++)
		seeded_u64(&rng);
	p->rivals = sim_chance(&rng, 25);
	p->weights.retire = p->rivals ? (__u32)seeded_below(&rng, 2) : 0;
}

void sim_plan_draw(struct sim_plan *p, __u64 seed)
{
	static const enum inlay_cipher ciphers[] = {INLAY_AES_128_GCM, INLAY_AES_256_GCM,
						    INLAY_CHACHA20_POLY1305};
	struct seeded rng = {.state = (seed + 1) * 0x9e3779b97f4a7c15ULL | 1};
	inlay_ns idle;

	for (int i = 0; i < 4; i++)
		seeded_u64(&rng); /* small seeds differ in few bits */
	*p = (struct sim_plan){0};
	p->n_publishers = (__u32)sim_between(&rng, 1, 3);
	p->n_clients = p->n_publishers + (__u32)sim_between(&rng, 1, SIM_CLIENTS - 3);
	p->n_tracks = (__u32)sim_between(&rng, p->n_publishers, SIM_TRACKS);
	p->harshness = (__u32)seeded_below(&rng, 4);
	p->cipher = PICK(&rng, ciphers);
	p->ring_delay = sim_chance(&rng, 50) ? sim_between(&rng, 0, 3000) * INLAY_US : 0;
	p->burst = sim_chance(&rng, 50) ? 1 : 32;
	if (sim_chance(&rng, 12))
		p->n_foreign = (__u32)sim_between(&rng, 1, 3);
	p->handshakes = sim_chance(&rng, 8) ? 100 : 0;
	p->retry = sim_chance(&rng, 30);
	idle = sim_between(&rng, 3, 7) * INLAY_S; /* less than SETUP may take */
	draw_endpoint(&rng, &p->relay_endpoint, idle);
	draw_endpoint(&rng, &p->client_endpoint, idle);
	p->relay_endpoint.retry = p->retry;
	if (p->n_foreign > 0) /* each of their moves takes one, and that comes back late */
		p->relay_endpoint.params.active_connection_id_limit = 8;
	draw_relay(&rng, &p->relay);
	draw_policy(&rng, p);
	draw_manners(&rng, p);
	draw_rings(&rng, p);
	draw_forwarder(&rng, p);
	draw_rivals(seed, p);
}

static void make_ample(struct inlay_endpoint_config *e)
{
	e->params.initial_max_data = 64 << 20;
	e->params.initial_max_stream_data_uni = 16 << 20;
	e->params.initial_max_stream_data_bidi_local = 1 << 20;
	e->params.initial_max_stream_data_bidi_remote = 1 << 20;
	e->params.initial_max_streams_uni = 8192;
	e->params.initial_max_streams_bidi = 100;
	e->params.max_datagram_frame_size = 65535;
	e->params.disable_active_migration = false;
	e->max_recv_buffer = 64 << 20;
	e->max_recv_memory = 512 << 20;
	e->max_datagram_queue = 1 << 20;
	e->max_streams_open = 8192;
	e->log_size = 2048;
	e->params.max_idle_timeout = 8 * INLAY_S; /* less than SETUP may take */
	e->keep_alive = 800 * INLAY_MS;
}

void sim_plan_make_ample(struct sim_plan *p)
{
	struct sim_weights *w = &p->weights;

	p->ample = true;
	make_ample(&p->relay_endpoint);
	make_ample(&p->client_endpoint);
	p->relay.cache = (struct inlay_cache_config){0};
	p->relay.max_streams = p->relay.max_resets = 8192;
	p->relay.max_cache_age = 60 * INLAY_S;
	p->relay.grace = 10 * INLAY_S;
	p->relay.drain = 20 * INLAY_S;
	p->relay.policy = p->relay_endpoint.policy = NULL;
	p->subscriber_timeouts = p->malformed = false;
	p->restart = 0;
	p->harshness = p->harshness < 2 ? p->harshness : 2;
	p->state.log_size = 2048;
	p->state.journal_size = 1024;
	p->state.slots = 256;
	p->state.upstreams = 8;
	make_room(p);
	w->outage = w->reset = 0;
}

void sim_plan_make_scarce(struct sim_plan *p)
{
	p->relay_endpoint.log_size = p->state.log_size = 64;
	p->state.journal_size = 16;
	p->state.slots = 4;
	p->overflow_ppm = 10000;
	if (p->lag == 0)
		p->lag = 5 * INLAY_MS;
}

void sim_plan_make_steady(struct sim_plan *p)
{
	struct sim_weights *w = &p->weights;

	p->steady = true;
	p->n_foreign = p->handshakes = 0;
	w->subscribe = w->unsubscribe = w->update = w->leave = w->vanish = w->retire = 0;
	w->status = 1; /* there is something to do */
}

void sim_plan_print(const struct sim_plan *p, FILE *to)
{
	const struct inlay_endpoint_config *r = &p->relay_endpoint, *c = &p->client_endpoint;

	fprintf(to,
		"plan: %u clients, %u publish, %u tracks, %u on libngtcp2%s%s, harshness %u, "
		"active %llu ms, pause %llu ms, ring %llu us, lag %llu us, %u rings, burst %u, "
		"cipher %d, damage %u ppm%s%s%s\n",
		p->n_clients, p->n_publishers, p->n_tracks, p->n_foreign,
		p->handshakes ? ", handshakes" : "", p->retry ? ", retry" : "", p->harshness,
		(unsigned long long)(p->active / INLAY_MS),
		(unsigned long long)(p->pause / INLAY_MS),
		(unsigned long long)(p->ring_delay / INLAY_US),
		(unsigned long long)(p->lag / INLAY_US), p->n_rings, p->burst, p->cipher,
		p->damage_ppm, p->forward ? ", forwards" : "", p->rivals ? ", rivals" : "",
		p->restart ? ", the relay restarts" : "");
	for (int i = 0; i < 2; i++, r = c)
		fprintf(to,
			"  %s: log %u, cc %d, data %llu, stream %llu, streams %llu, receive %llu, "
			"datagrams %llu, idle %llu s\n",
			i ? "client" : "relay", r->log_size, r->cc,
			(unsigned long long)r->params.initial_max_data,
			(unsigned long long)r->params.initial_max_stream_data_uni,
			(unsigned long long)r->params.initial_max_streams_uni,
			(unsigned long long)r->max_recv_buffer,
			(unsigned long long)r->max_datagram_queue,
			(unsigned long long)(r->params.max_idle_timeout / INLAY_S));
	fprintf(to, "  relay: track cache %zu, groups %u, streams %u, resets %u, age %llu s\n",
		p->relay.cache.max_track_bytes, p->relay.cache.max_track_groups,
		p->relay.max_streams, p->relay.max_resets,
		(unsigned long long)(p->relay.max_cache_age / INLAY_S));
}
