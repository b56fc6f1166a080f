/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients ask for, and what else they do: deeds, drawn by the plan's weights. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "sim.h"

/* --- Subscriptions --------------------------------------------------------------------------- */

static void draw_filter(struct seeded *rng, const struct sim_track *t, struct inlay_moq_params *p)
{
	__u64 back = seeded_below(rng, 4);
	__u64 newest = t->sources[0].group, group = newest > back ? newest - back : 0;
	struct inlay_moq_filter *f = &p->filter;

	if (sim_chance(rng, 40))
		return;
	p->present |= INLAY_MOQ_HAS_FILTER;
	f->start = (struct inlay_moq_location){group, seeded_below(rng, 3)};
	f->end_group = group + seeded_below(rng, 10);
	f->type = (enum inlay_moq_filter_type)sim_between(rng, INLAY_MOQ_FILTER_NEXT_GROUP,
							  INLAY_MOQ_FILTER_ABSOLUTE_RANGE);
}

static void draw_params(struct sim_client *c, const struct sim_track *t, struct inlay_moq_params *p)
{
	struct seeded *rng = &c->rng;

	draw_filter(rng, t, p);
	if (sim_chance(rng, 70)) {
		p->present |= INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT;
		p->rendezvous_timeout = sim_between(rng, 100, 5000);
	}
	if (sim_chance(rng, 40)) {
		p->present |= INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY;
		p->subscriber_priority = (__u8)seeded_below(rng, 256);
	}
	if (sim_chance(rng, 30)) {
		p->present |= INLAY_MOQ_HAS_GROUP_ORDER;
		p->group_order = (__u8)sim_between(rng, INLAY_MOQ_ASCENDING, INLAY_MOQ_DESCENDING);
	}
	if (c->sim->plan.subscriber_timeouts && sim_chance(rng, 50)) {
		p->present |= INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT;
		p->object_delivery_timeout = sim_between(rng, 50, 1500);
	}
	if (c->sim->plan.subscriber_timeouts && sim_chance(rng, 50)) {
		p->present |= INLAY_MOQ_HAS_SUBGROUP_DELIVERY_TIMEOUT;
		p->subgroup_delivery_timeout = sim_between(rng, 50, 1500);
	}
}

void sim_subscribe_all(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		if (!sim_track_source(&s->tracks[i], c))
			sim_subscribe(c, &s->tracks[i]);
}

void sim_subscribe(struct sim_client *c, struct sim_track *t)
{
	struct inlay_moq_subscribe m = {.name = t->name};
	struct sim_sub *sub = calloc(1, sizeof(*sub));

	if (!sub)
		abort();
	sub->life = c->life;
	sub->track = t;
	sub->made_at = c->sim->now;
	sub->end_group = ~0ULL;
	sub->next = c->life->subs;
	c->life->subs = sub;
	if (c->sim->plan.steady)
		m.params = (struct inlay_moq_params){.present = INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT,
						     .rendezvous_timeout = 5000};
	else
		draw_params(c, t, &m.params);
	sub->asked = m.params.filter;
	sub->filtered = m.params.present & INLAY_MOQ_HAS_FILTER;
	if (inlay_moq_session_subscribe(c->moq, &m, sub, &sub->request))
		sub->request = NULL;
	sim_trace(c->sim, "client %d subscribes to %s, filter %d from %llu/%llu", c->index, t->text,
		  sub->filtered ? (int)sub->asked.type : 0,
		  (unsigned long long)sub->asked.start.group,
		  (unsigned long long)sub->asked.start.object);
}

static struct inlay_moq_location later(struct inlay_moq_location a, struct inlay_moq_location b)
{
	return inlay_moq_location_less(a, b) ? b : a;
}

/* What is owed from now on: whatever is above the largest that the relay knew when it answered. */
static void expect(struct sim_sub *sub, const struct inlay_moq_params *ok)
{
	bool known = ok->present & INLAY_MOQ_HAS_LARGEST_OBJECT;
	const struct inlay_moq_filter *f = &sub->asked;

	sub->has_from = true;
	sub->inclusive = !known;
	sub->from = known ? ok->largest_object : (struct inlay_moq_location){0, 0};
	if (!sub->filtered)
		return;
	if (f->type == INLAY_MOQ_FILTER_NEXT_GROUP && known && sub->next_group == 0)
		sub->next_group = ok->largest_object.group + 1;
	if (f->type == INLAY_MOQ_FILTER_NEXT_GROUP && sub->next_group > sub->from.group) {
		sub->from = (struct inlay_moq_location){sub->next_group, 0};
		sub->inclusive = true;
	}
	if (f->type == INLAY_MOQ_FILTER_ABSOLUTE_RANGE)
		sub->end_group = f->end_group;
	if (f->type != INLAY_MOQ_FILTER_ABSOLUTE_RANGE &&
	    f->type != INLAY_MOQ_FILTER_ABSOLUTE_START)
		return;
	if (inlay_moq_location_less(sub->from, f->start))
		sub->inclusive = true;
	sub->from = later(sub->from, f->start);
}

static void on_subscribe_ok(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe_ok *m)
{
	struct sim_sub *sub = inlay_moq_request_user(req);

	sub->ok = true;
	sub->request_id = inlay_moq_request_id(req);
	for (__u32 i = 0; i < sub->track->n_sources; i++) {
		const struct sim_source *src = &sub->track->sources[i];

		sub->services[i] = src->n_services + !src->serving;
	}
	expect(sub, &m->params);
	if (m->params.present & INLAY_MOQ_HAS_LARGEST_OBJECT)
		sim_ledger_on_subscribe_ok(sub, m->params.largest_object);
	sim_trace(sub->life->client->sim, "client %d has %s, request %llu, from %llu/%llu",
		  sub->life->client->index, sub->track->text, (unsigned long long)sub->request_id,
		  (unsigned long long)sub->from.group, (unsigned long long)sub->from.object);
}

static void on_update_answer(void *user, struct inlay_moq_request *req,
			     const struct inlay_moq_request_ok *ok,
			     const struct inlay_moq_request_error *error)
{
	struct sim_sub *sub = inlay_moq_request_user(req);

	sub->updating = false;
	if (ok && sub->resuming)
		expect(sub, &ok->params);
	sub->resuming = false;
}

static void on_publish_done(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_publish_done *m)
{
	struct sim_sub *sub = inlay_moq_request_user(req);
	struct sim_client *c = user;

	sim_trace(c->sim, "client %d: %s is done, 0x%llx", c->index, sub->track->text,
		  (unsigned long long)m->status);
	sub->done_at = c->sim->now;
	/* Otherwise the relay alone knows what it had when it gave up. */
	if (m->status != INLAY_MOQ_DONE_TRACK_ENDED)
		sub->has_from = false;
	if (m->status != INLAY_MOQ_DONE_TRACK_ENDED && m->status != INLAY_MOQ_DONE_TOO_FAR_BEHIND &&
	    !sub->track->malformed)
		sim_fail(c->sim, "client %d: %s is done, status 0x%llx", c->index, sub->track->text,
			 (unsigned long long)m->status);
}

static void on_request_ok(void *user, struct inlay_moq_request *req,
			  const struct inlay_moq_request_ok *m)
{
	if (inlay_moq_request_type(req) != INLAY_MOQ_MSG_TRACK_STATUS)
		sim_publisher_on_ok(inlay_moq_request_user(req), req, m);
}

static void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			   __u64 code, const struct inlay_moq_request_error *error)
{
	struct sim_client *c = user;
	struct sim_sub *sub;

	if (!inlay_moq_request_user(req))
		return;
	if (!inlay_moq_request_is_ours(req) ||
	    inlay_moq_request_type(req) != INLAY_MOQ_MSG_SUBSCRIBE) {
		sim_publisher_on_end(inlay_moq_request_user(req), req);
		return;
	}
	sub = inlay_moq_request_user(req);
	sub->request = NULL;
	if (!sub->has_until)
		sub->until = sub->track->n_objects;
	sub->has_until = true;
	if (end != INLAY_MOQ_END_DONE)
		sub->has_from = false;
	sim_trace(c->sim, "client %d: subscription of %s ends (%d, 0x%llx)", c->index,
		  sub->track->text, end, (unsigned long long)code);
	if (end == INLAY_MOQ_END_LOCAL)
		sim_fail(c->sim, "client %d: %s is malformed, or over a limit", c->index,
			 sub->track->text);
}

static void on_subgroup(void *user, struct inlay_moq_request *req, struct inlay_moq_incoming *in,
			const struct inlay_moq_subgroup *header)
{
	sim_ledger_on_subgroup(inlay_moq_request_user(req), in, header);
}

static void on_object(void *user, struct inlay_moq_incoming *in,
		      const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	sim_ledger_on_object(in, object);
}

static void on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
		       bool end)
{
	sim_ledger_on_payload(in, data, len, end);
}

static void on_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
			    __u64 code)
{
	sim_ledger_on_subgroup_end(in, end, code);
}

static void on_datagram(void *user, struct inlay_moq_request *req,
			const struct inlay_moq_datagram *object)
{
	sim_ledger_on_datagram(inlay_moq_request_user(req), object);
}

const struct inlay_moq_session_ops sim_session_ops = {
	.on_subscribe = sim_publisher_on_subscribe,
	.on_track_status = sim_publisher_on_track_status,
	.on_update = sim_publisher_on_update,
	.on_subscribe_ok = on_subscribe_ok,
	.on_request_ok = on_request_ok,
	.on_update_answer = on_update_answer,
	.on_publish_done = on_publish_done,
	.on_request_end = on_request_end,
	.on_subgroup = on_subgroup,
	.on_object = on_object,
	.on_payload = on_payload,
	.on_subgroup_end = on_subgroup_end,
	.on_datagram = on_datagram,
	.on_outgoing_end = sim_publisher_on_outgoing_end,
};

/* --- Deeds ----------------------------------------------------------------------------------- */

static struct sim_sub *random_sub(struct sim_client *c)
{
	struct sim_sub *sub, *found = NULL;
	__u64 n = 0;

	for (sub = c->life->subs; sub; sub = sub->next)
		if (sub->request && sub->ok && seeded_below(&c->rng, ++n) == 0)
			found = sub;
	return found;
}

static void subscribe(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct sim_track *t = &s->tracks[seeded_below(&c->rng, s->plan.n_tracks)];
	struct sim_sub *sub;

	if (sim_track_source(t, c))
		return;
	for (sub = c->life->subs; sub; sub = sub->next)
		if (sub->track == t && sub->request)
			return;
	sim_subscribe(c, t);
}

static void unsubscribe(struct sim_client *c)
{
	struct sim_sub *sub = random_sub(c);

	if (!sub)
		return;
	sim_trace(c->sim, "client %d unsubscribes from %s", c->index, sub->track->text);
	inlay_moq_request_cancel(sub->request, INLAY_MOQ_RESET_CANCELLED);
	sub->request = NULL;
	sub->has_from = false;
}

static void update(struct sim_client *c)
{
	struct sim_sub *sub = random_sub(c);
	struct inlay_moq_params params = {0};

	if (!sub || sub->updating)
		return;
	if (sim_chance(&c->rng, 50)) {
		params.present = INLAY_MOQ_HAS_FORWARD;
		params.forward = !sub->has_from;
		sub->resuming = params.forward;
		sub->has_from = false;
	} else {
		params.present = INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY;
		params.subscriber_priority = (__u8)seeded_below(&c->rng, 256);
	}
	sub->updating = inlay_moq_request_update(sub->request, &params) == 0;
	sim_trace(c->sim, "client %d updates %s%s", c->index, sub->track->text,
		  !(params.present & INLAY_MOQ_HAS_FORWARD) ? ""
		  : params.forward			    ? ": forward"
							    : ": pause");
}

/* STOP_SENDING for something that is arriving. */
static void stop_stream(struct sim_client *c)
{
	struct sim_sub *sub = random_sub(c);
	struct sim_excuse e = {.rule = INLAY_RELAY_RULE_STOPPED};
	struct sim_in *in = sub ? sub->streams : NULL;

	while (in && !in->in)
		in = in->next;
	if (!in || (in->n_objects == 0 && in->header.id_mode == INLAY_MOQ_SUBGROUP_FIRST_OBJECT))
		return;
	e.request = sub->request_id;
	e.group = in->header.group;
	e.subgroup = in->header.subgroup;
	e.track = sub->track;
	sim_ledger_excuse(c->life, &e);
	inlay_moq_incoming_stop(in->in, INLAY_MOQ_RESET_CANCELLED);
	sim_ledger_in_end(in);
}

static void update_keys(struct sim_client *c)
{
	struct inlay_ep_conn *relays = sim_client_at_relay(c);
	struct inlay_conn *conn = sim_client_conn(c);
	struct sim *s = c->sim;
	int rv = 0;

	if (sim_chance(&c->rng, 50) && relays) {
		rv = inlay_conn_update_keys(inlay_ep_conn_get(relays), s->now);
		s->node.touched = true;
	} else if (conn) {
		rv = inlay_conn_update_keys(conn, s->now);
	} else if (c->link.peer) {
		rv = inlay_peer_update_keys(c->link.peer, s->now);
	}
	sim_trace(s, "client %d: key update: %d", c->index, rv);
}

/* Another connection ID of the other end's; or new ones of its own. */
static void rotate(struct sim_client *c)
{
	struct inlay_ep_conn *relays = sim_client_at_relay(c);
	struct inlay_conn *conn = sim_client_conn(c);
	int rv = 0;

	if (relays && sim_chance(&c->rng, 50)) {
		conn = inlay_ep_conn_get(relays);
		c->sim->node.touched = true;
	}
	if (conn && sim_chance(&c->rng, 50))
		rv = inlay_conn_rotate_cid(conn);
	else if (conn)
		rv = inlay_conn_renew_cids(conn);
	sim_trace(c->sim, "client %d: connection IDs: %d", c->index, rv);
}

static void stall(struct sim_client *c)
{
	sim_trace(c->sim, "client %d stalls", c->index);
	sim_client_stall(c, true);
	c->unstall = c->sim->now + sim_between(&c->rng, 100, 3000) * INLAY_MS;
}

static void rebind(struct sim_client *c)
{
	sim_trace(c->sim, "client %d is rebound", c->index);
	sim_wire_move(c, (__u32)seeded_below(&c->rng, c->n_ways));
	if (sim_chance(&c->rng, 80))
		sim_client_ping(c);
}

static void change_link(struct sim_client *c, bool down)
{
	struct sim *s = c->sim;

	if (c->relink != INLAY_NEVER)
		return;
	sim_trace(s, "client %d: %s", c->index, down ? "outage" : "another link");
	c->up.settings.down = c->down.settings.down = down;
	c->relink = s->now + (down ? sim_between(&c->rng, 50, 1500) * INLAY_MS : 0);
}

static void ask_status(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct inlay_moq_subscribe m = {
		.name = s->tracks[seeded_below(&c->rng, s->plan.n_tracks)].name};
	struct inlay_moq_request *req;

	inlay_moq_session_track_status(c->moq, &m, NULL, &req);
}

/* With ample limits publishers stay: who leaves has not finished what it sends. */
static void leave(struct sim_client *c)
{
	if (!c->sim->plan.ample || (__u32)c->index >= c->sim->plan.n_publishers)
		sim_client_leave(c);
}

static void vanish(struct sim_client *c)
{
	if (!c->sim->plan.ample || (__u32)c->index >= c->sim->plan.n_publishers)
		sim_client_vanish(c);
}

static void reset(struct sim_client *c)
{
	if (sim_chance(&c->rng, 50))
		sim_publisher_reset(c);
	else
		stop_stream(c);
}

static void outage(struct sim_client *c)
{
	change_link(c, true);
}

static void new_link(struct sim_client *c)
{
	change_link(c, false);
}

void sim_deed(struct sim_client *c)
{
	const struct sim_weights *w = &c->sim->plan.weights;
	const struct {
		__u32 weight;
		void (*deed)(struct sim_client *c);
	} deeds[] = {
		{w->subscribe, subscribe},
		{w->unsubscribe, unsubscribe},
		{w->update, update},
		{w->stall, stall},
		{w->rebind, rebind},
		{w->rotate, rotate},
		{w->migrate, sim_client_migrate},
		{w->key_update, update_keys},
		{w->link, new_link},
		{w->outage, outage},
		{w->leave, leave},
		{w->vanish, vanish},
		{w->reset, reset},
		{w->status, ask_status},
		{w->retire, sim_publisher_retire},
	};
	__u64 sum = 0, at;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(deeds); i++)
		sum += deeds[i].weight;
	at = seeded_below(&c->rng, sum);
	for (i = 0; at >= deeds[i].weight; i++)
		at -= deeds[i].weight;
	deeds[i].deed(c);
}
