/* SPDX-License-Identifier: BSD-2-Clause */
/* The world: the relay as the daemon has it, its clients, and time, from event to event. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "keystore.h"
#include "local_sa.h"
#include "reset.h"
#include "sim.h"

#define CHECK_EVERY   (20 * INLAY_MS)
#define STEPS_AT_ONCE 5000 /* without that time goes on */

/* --- Words ----------------------------------------------------------------------------------- */

static double seconds(const struct sim *s)
{
	return (double)(s->now - s->began) / INLAY_S;
}

void sim_fail(struct sim *s, const char *format, ...)
{
	va_list args;
	int n;

	if (s->failed)
		return;
	s->failed = true;
	n = snprintf(s->failure, sizeof(s->failure),
		     "seed %llu, at %.6f s: ", (unsigned long long)s->seed, seconds(s));
	va_start(args, format);
	vsnprintf(s->failure + n, sizeof(s->failure) - (size_t)n, format, args);
	va_end(args);
	if (s->verbose)
		fprintf(stderr, "%s\n", s->failure);
}

void sim_trace(struct sim *s, const char *format, ...)
{
	va_list args;

	if (!s->verbose)
		return;
	fprintf(stderr, "%11.6f ", seconds(s));
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* --- The relay ------------------------------------------------------------------------------- */

static struct inlay_conn_ops relay_ops;

/* The relay ends no connection by itself, and none of its peers' ends in an error. */
static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct inlay_transport_conn *t = user;
	struct sim *s = inlay_list_entry((void *)t->now, struct sim, now);
	struct sim_life *life, *ours = NULL;

	for (life = s->lives; life; life = life->next) {
		if (life->relay_moq == t->session)
			ours = life;
		life->relay_ended |= life->relay_moq == t->session;
	}
	sim_trace(s, "relay: a connection ends: %s0x%llx %s%s%s%s",
		  why->application ? "application " : "", (unsigned long long)why->code, why->text,
		  why->idle ? " (idle)" : "", why->reset ? " (reset)" : "",
		  why->by_peer ? " (by peer)" : "");
	if (!why->idle && !why->reset && why->code != 0 && !(ours && ours->misbehaved))
		sim_fail(s, "relay: a connection ends with %s error 0x%llx, %s: %s",
			 why->application ? "application" : "transport",
			 (unsigned long long)why->code, why->by_peer ? "the client's" : "its own",
			 why->text);
	inlay_transport_conn_ops.on_closed(user, why);
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *c,
						  const struct inlay_handover *handover,
						  void **ret_user)
{
	struct sim *s = user;
	struct sim_place *p = sim_wire_place(s, &handover->path.remote);
	const struct inlay_conn_ops *ops =
		inlay_sessions_accept(&s->sessions, c, handover, ret_user);
	struct inlay_transport_conn *t = *ret_user;

	if (!ops || !p) {
		sim_fail(s, "the relay takes no session");
		return ops;
	}
	sim_flows_connection(&s->node, c);
	p->life->relay_moq = t->session;
	relay_ops = *ops;
	relay_ops.on_closed = on_closed;
	return &relay_ops;
}

static const struct inlay_endpoint_ops endpoint_ops = {.on_connection = on_connection};

static void random_bytes(void *user, __u8 *dst, size_t len)
{
	struct sim *s = user;

	seeded_bytes(&s->crypto, dst, len);
}

static void new_relay(struct sim *s)
{
	struct inlay_endpoint_config config = s->plan.relay_endpoint;
	struct inlay_relay_config relay = s->plan.relay;

	relay.on_reset = sim_ledger_on_reset;
	relay.on_reset_user = s;
	s->fast = sim_fast_new(s);
	config.state = relay.state = sim_fast_state(s->fast);
	s->relay = inlay_relay_new(&relay);
	sim_node_init(&s->node, s, NULL, sim_tls_provider(s->tls, true));
	config.provider = s->node.provider;
	config.keystore = s->keystore;
	config.tls = sim_tls_server(s->tls, s->plan.cipher);
	config.ops = &endpoint_ops;
	config.user = s;
	config.random = random_bytes;
	if (!s->relay || inlay_endpoint_new(&config, s->now, &s->node.ep))
		abort();
	inlay_sessions_init(&s->sessions, s->relay, &s->now);
}

static inlay_ns earlier(inlay_ns a, inlay_ns b)
{
	return a < b ? a : b;
}

/* Tells sessions of their end, which frees them. */
static void reap(struct sim *s)
{
	struct sim_life **place, *life;
	bool any = !inlay_list_is_empty(&s->sessions.ended);

	inlay_sessions_reap(&s->sessions);
	for (life = any ? s->lives : NULL; life; life = life->next)
		if (life->relay_ended)
			life->relay_moq = NULL;
	if (!any || !s->plan.forgetful)
		return;
	for (place = &s->lives; (life = *place);) {
		/* A handshake may come to its end when its client is long gone. */
		if (!life->ended || life->relay_moq || life == life->client->life ||
		    s->now < life->ended_at + INLAY_HANDSHAKE_TIMEOUT + INLAY_S) {
			place = &life->next;
			continue;
		}
		*place = life->next;
		sim_ledger_life_free(life);
	}
}

static inlay_ns relay_deadline(const struct sim *s)
{
	inlay_ns at = earlier(sim_node_deadline(&s->node), inlay_relay_deadline(s->relay));

	return earlier(at, inlay_sessions_deadline(&s->sessions));
}

/* As ctrl/daemon/daemon.c has it. */
static void relay_turn(struct sim *s)
{
	bool due = relay_deadline(s) <= s->now;

	if (!due)
		return;
	if (sim_node_wake(&s->node) <= s->now)
		inlay_sessions_touch(&s->sessions);
	sim_node_turn(&s->node);
	inlay_sessions_on_timer(&s->sessions);
	if (inlay_relay_deadline(s->relay) <= s->now)
		inlay_relay_on_timer(s->relay, s->now);
	reap(s);
	s->node.touched = true;
}

static void relay_flush(struct sim *s)
{
	sim_node_flush(&s->node);
	reap(s);
	/* What sessions do at their end concerns others. */
	sim_node_flush(&s->node);
}

/* --- Joining without a handshake ------------------------------------------------------------- */

static int share_secrets(struct sim *s, inlay_secret secret[2])
{
	size_t len = s->plan.cipher == INLAY_AES_256_GCM ? 48 : 32;
	__u8 bytes[48];
	int err = 0;

	for (int i = 0; i < 2 && !err; i++)
		err = inlay_keystore_add(s->keystore, s->plan.cipher, &secret[i]);
	for (int i = 0; i < 2 && !err; i++) {
		seeded_bytes(&s->crypto, bytes, len);
		err = inlay_keystore_set(s->keystore, secret[i], INLAY_TX, s->plan.cipher, bytes,
					 len);
		if (!err)
			err = inlay_keystore_set(s->keystore, secret[!i], INLAY_RX, s->plan.cipher,
						 bytes, len);
	}
	return err;
}

static void make_handovers(struct sim_client *c, struct inlay_handover h[2])
{
	struct sim *s = c->sim;
	__u8 cid[2][INLAY_OWN_CID];

	seeded_bytes(&s->crypto, cid, sizeof(cid));
	for (int i = 0; i < 2; i++) {
		h[i] = (struct inlay_handover){
			.role = (enum inlay_role)i, .version = INLAY_QUIC_V1, .alpn = "moqt-18"};
		inlay_cid_set(&h[i].own_cid, cid[i], INLAY_OWN_CID);
		inlay_cid_set(&h[i].peer_cid, cid[!i], INLAY_OWN_CID);
	}
	h[INLAY_CLIENT].own = h[INLAY_SERVER].peer = s->plan.client_endpoint.params;
	h[INLAY_SERVER].own = h[INLAY_CLIENT].peer = s->plan.relay_endpoint.params;
	h[INLAY_CLIENT].peer.has_stateless_reset_token = true;
	inlay_reset_token(s->plan.relay_endpoint.reset_key, &h[INLAY_SERVER].own_cid,
			  h[INLAY_CLIENT].peer.stateless_reset_token);
	h[INLAY_CLIENT].path.local = c->ways[0].inside;
	h[INLAY_CLIENT].path.remote = sim_relay_addr;
	h[INLAY_SERVER].path.local = sim_relay_addr;
	h[INLAY_SERVER].path.remote = c->ways[0].place->addr;
}

int sim_join(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct inlay_endpoint_adoption a = {.cipher = s->plan.cipher};
	inlay_secret secret[2];
	struct inlay_handover h[2];
	struct inlay_ep_conn *conn;
	int err;

	make_handovers(c, h);
	err = share_secrets(s, secret);
	if (err)
		return err;
	for (int i = 0; i < 2; i++)
		h[i].secret = secret[i];
	c->ways[0].place->validated = true;
	a.handover = &h[INLAY_SERVER];
	err = inlay_endpoint_adopt(s->node.ep, &a, s->now, &conn);
	s->node.touched = true;
	a.handover = &h[INLAY_CLIENT];
	a.user = c;
	return err ? err : inlay_endpoint_adopt(c->node.ep, &a, s->now, &conn);
}

/* --- Time ------------------------------------------------------------------------------------ */

static inlay_ns next_event(const struct sim *s)
{
	inlay_ns at = earlier(sim_wire_next(&s->wire), relay_deadline(s));

	at = earlier(at, sim_fast_deadline(s->fast));
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		at = earlier(at, sim_client_deadline(&s->clients[i]));
	return at;
}

static void flush_all(struct sim *s)
{
	relay_flush(s);
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		sim_client_flush(&s->clients[i]);
}

/* False: nothing more up to |until|. */
static bool step(struct sim *s, inlay_ns until)
{
	struct sim_packet *p;
	inlay_ns at;

	flush_all(s);
	sim_flows_check(s);
	at = next_event(s);
	if (at > until) {
		s->now = until;
		return false;
	}
	s->steps++;
	s->at_once = at > s->now ? 0 : s->at_once + 1;
	if (s->at_once > STEPS_AT_ONCE)
		sim_fail(s, "time stands still");
	if (at > s->now)
		s->now = at;
	while ((p = sim_wire_take(s))) {
		if (p->to)
			sim_client_arrive(p->to, p);
		else
			sim_node_arrive(&s->node, p);
	}
	sim_fast_flush(s->fast);
	sim_fast_turn(s->fast);
	relay_turn(s);
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		sim_client_turn(&s->clients[i]);
	return true;
}

bool sim_run(struct sim *s, inlay_ns until)
{
	while (!s->failed && step(s, until)) {
		if (s->now < s->next_check)
			continue;
		s->next_check = s->now + CHECK_EVERY;
		sim_watch_bounds(s);
	}
	return !s->failed;
}

/* --- Birth and death ------------------------------------------------------------------------- */

struct sim_life *sim_life_new(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct sim_life *life = calloc(1, sizeof(*life));

	if (!life)
		abort();
	life->client = c;
	life->number = s->n_lives++;
	life->next = s->lives;
	s->lives = life;
	return life;
}

static void draw_manners(struct seeded *rng, struct sim_source *src)
{
	const inlay_ns jitters[] = {0, 0, src->track->interval / 2, 60 * INLAY_MS};

	src->catches_up = sim_chance(rng, 70);
	src->omits = sim_chance(rng, 30) ? 10 : 0;
	src->jitter = jitters[seeded_below(rng, INLAY_ARRAY_SIZE(jitters))];
	src->on_time = src->due;
}

/* Somebody else who makes the same: about as far, or one of both behind. */
static void add_rival(struct sim *s, struct sim_track *t)
{
	static const __u32 lags[] = {0, 2, 20, 80, 300, 1500}; /* ms */
	struct sim_source *first = &t->sources[0], *src = &t->sources[1];
	struct seeded *rng = &s->rival;
	inlay_ns lag = lags[seeded_below(rng, INLAY_ARRAY_SIZE(lags))] * INLAY_MS;
	__u32 i = (__u32)seeded_below(rng, s->plan.n_clients - 1);

	t->n_sources = 2;
	src->track = t;
	src->client = &s->clients[i + (&s->clients[i] >= first->client)];
	src->by_publish = sim_chance(rng, 40);
	src->due = first->due;
	src->retry = INLAY_NEVER;
	t->sources[seeded_below(rng, 2)].due += lag;
	draw_manners(rng, first);
	draw_manners(rng, src);
}

static void new_track(struct sim *s, __u32 i)
{
	struct sim_track *t = &s->tracks[i];
	struct sim_source *src = &t->sources[0];
	struct inlay_moq_track_properties *p = &t->parsed;
	struct inlay_writer w = inlay_writer_of(t->properties, sizeof(t->properties));
	struct seeded *rng = &s->rng;

	t->index = (int)i;
	t->n_sources = 1;
	src->track = t;
	src->client = &s->clients[i % s->plan.n_publishers];
	snprintf(t->text, sizeof(t->text), "track%u", i);
	inlay_moq_namespace_add(&t->name.ns, "sim", 3);
	inlay_moq_namespace_add(&t->name.ns, t->text, strlen(t->text));
	t->name.track = (struct inlay_moq_bytes){(const __u8 *)"video", 5};
	t->datagrams = i > 0 && sim_chance(rng, 25);
	src->by_publish = sim_chance(rng, 40);
	t->interval = sim_between(rng, 8, 80) * INLAY_MS;
	t->group_objects = (__u32)sim_between(rng, 2, 40);
	t->n_subgroups = (__u32)sim_between(rng, 1, 3);
	t->max_key = (__u32)sim_between(rng, 1, 40) << 10;
	t->max_delta = (__u32)sim_between(rng, 1, 4000);
	src->due = s->now + seeded_below(rng, INLAY_S);
	src->retry = INLAY_NEVER;
	t->has_properties = sim_chance(rng, 40);
	t->malforms = s->plan.malformed && sim_chance(rng, 50);
	p->publisher_priority = (__u8)seeded_below(rng, 256);
	p->present = INLAY_MOQ_TRACK_HAS_PUBLISHER_PRIORITY;
	if (sim_chance(rng, 15) && !s->plan.ample) {
		p->present |= INLAY_MOQ_TRACK_HAS_OBJECT_DELIVERY_TIMEOUT;
		p->object_delivery_timeout = sim_between(rng, 100, 2000);
	}
	if (!inlay_moq18_track_properties_put(&w, p))
		abort();
	p->bytes = (struct inlay_moq_bytes){t->properties, inlay_writer_len(&w)};
	if (s->plan.rivals && s->plan.n_clients > 2 && (i == 0 || sim_chance(&s->rival, 50)))
		add_rival(s, t);
}

static void end_relay(struct sim *s)
{
	struct sim_life *life;

	sim_node_drain(&s->node);
	sim_fast_stop(s->fast);
	inlay_endpoint_free(s->node.ep);
	inlay_sessions_fini(&s->sessions);
	inlay_relay_free(s->relay);
	sim_fast_free(s->fast);
	for (life = s->lives; life; life = life->next)
		life->relay_moq = NULL;
}

void sim_restart(struct sim *s)
{
	sim_trace(s, "--- another relay");
	end_relay(s);
	new_relay(s);
	s->node.touched = true;
}

struct sim *sim_new(const struct sim_plan *plan, __u64 seed, struct sim_tls *tls, int verbose)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->seed = seed;
	s->plan = *plan;
	s->tls = tls;
	s->verbose = verbose > 0;
	s->packets = verbose > 1;
	s->now = s->began = 1000 * INLAY_S;
	s->rng.state = (seed + 7) * 0xbf58476d1ce4e5b9ULL | 1;
	s->crypto.state = (seed + 11) * 0x94d049bb133111ebULL | 1;
	s->rival.state = (seed + 13) * 0xd1342543de82ef95ULL | 1;
	s->keystore = sim_tls_keystore(tls);
	sim_flows_init(s);
	sim_node_tell(s);
	new_relay(s);
	for (__u32 i = 0; i < plan->n_clients; i++)
		sim_client_init(&s->clients[i], s, (int)i);
	for (__u32 i = 0; i < plan->n_tracks; i++)
		new_track(s, i);
	return s;
}

void sim_check_providers(struct sim *s)
{
	for (int relay = 0; relay < 2; relay++) {
		const struct inlay_local *l = inlay_local_of(sim_tls_provider(s->tls, relay));

		if (l->n_free != l->max_sa || l->cids.count != 0)
			sim_fail(s, "%u security associations and %u CIDs are left over",
				 l->max_sa - l->n_free, l->cids.count);
	}
}

void sim_close(struct sim *s)
{
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		sim_client_fini(&s->clients[i]);
	end_relay(s);
	sim_check_providers(s);
}

void sim_free(struct sim *s)
{
	struct sim_life *life;

	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		sim_track_fini(&s->tracks[i]);
	while ((life = s->lives)) {
		s->lives = life->next;
		sim_ledger_life_free(life);
	}
	sim_flows_fini(s);
	sim_node_tell(NULL);
	sim_wire_fini(&s->wire);
	free(s);
}
