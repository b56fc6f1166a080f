/* SPDX-License-Identifier: BSD-2-Clause */
#include "view.h"

#include "relay_impl.h"

static const char *track_state(const struct relay_track *t)
{
	switch (t->state) {
	case RELAY_TRACK_IDLE:
		return "idle";
	case RELAY_TRACK_CONNECTING:
		return "connecting";
	case RELAY_TRACK_LIVE:
		return "live";
	case RELAY_TRACK_LOST:
		return "lost";
	}
	return "?";
}

static const char *subscription_state(const struct relay_subscription *sub)
{
	switch (sub->state) {
	case RELAY_SUBSCRIPTION_PENDING:
		return "pending";
	case RELAY_SUBSCRIPTION_ACTIVE:
		return "active";
	case RELAY_SUBSCRIPTION_ENDING:
		return "ending";
	}
	return "?";
}

static __u32 count_slots(const struct relay_fast_track *ft)
{
	struct inlay_list *node;
	__u32 n = 0;

	inlay_list_for_each (node, &ft->slots)
		n++;
	return n;
}

void inlay_relay_for_each_track(const struct inlay_relay *r,
				bool (*each)(void *user, const struct inlay_relay_track_view *v),
				void *user)
{
	char name[INLAY_RELAY_NAME_TEXT];
	struct inlay_list *node;

	inlay_list_for_each (node, &r->tracks) {
		const struct relay_track *t = inlay_list_entry(node, struct relay_track, node);
		const struct inlay_relay_track_view v = {
			.number = t->number,
			.name = name,
			.state = track_state(t),
			.subscriptions = t->n_subscriptions,
			.publishers = t->n_upstreams,
			.cache_bytes = t->cache.bytes,
			.cache_groups = t->cache.group_count,
			.has_largest = t->has_largest,
			.largest = t->largest,
			.track = t,
			.fast = t->fast != NULL && t->fast->upstream != NULL,
			.positions = t->fast != NULL ? t->fast->n_positions : 0,
			.slots = t->fast != NULL ? count_slots(t->fast) : 0,
		};

		inlay_moq_name_format(t->name, name, sizeof(name));
		if (!each(user, &v))
			return;
	}
}

void inlay_relay_for_each_publisher(const struct relay_track *t,
				    void (*each)(void *user,
						 const struct inlay_relay_publisher_view *v),
				    void *user)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->upstreams) {
		const struct relay_upstream *up =
			inlay_list_entry(node, struct relay_upstream, of_track);
		const struct inlay_relay_publisher_view v = {
			.session = up->session->user,
			.established = up->established,
			.by_publish = up->published,
			.fast = t->fast != NULL && t->fast->upstream == up,
		};

		each(user, &v);
	}
}

void inlay_relay_for_each_subscription(const struct relay_track *t,
				       void (*each)(void *user,
						    const struct inlay_relay_subscription_view *v),
				       void *user)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->subscriptions) {
		const struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);
		struct inlay_relay_subscription_view v = {
			.session = sub->session->user,
			.request = inlay_moq_request_id(sub->request),
			.state = subscription_state(sub),
			.streams = sub->n_readers,
			.fast = sub->position != NULL,
			.why_not = sub->position != NULL ? RELAY_NO_REASON : sub->why,
			.why_detached = sub->why_detached,
			.subscription = sub,
		};

		relay_position_view(sub, &v.streams_lent, &v.copies, &v.why_not_sent);
		each(user, &v);
	}
}

/* --- streams --------------------------------------------------------------------------------- */

static const char *reader_state(const struct relay_reader *rd)
{
	switch (rd->state) {
	case RELAY_READER_WAITING:
		return "waiting";
	case RELAY_READER_PENDING:
		return "pending";
	case RELAY_READER_OPEN:
		return "open";
	}
	return "?";
}

/* Can no forwarder be writing to a leg that is DETACHED now? */
static bool is_left_alone(const struct relay_reader *rd)
{
	const struct inlay_state *state = rd->relay->fast.state;
	struct inlay_moment now;

	if (rd->leg.detached)
		return inlay_state_is_quiet(state, &rd->leg.moment);
	inlay_state_moment(state, &now);
	return inlay_state_is_quiet(state, &now);
}

static void view_leg(const struct relay_reader *rd, struct inlay_relay_stream_view *v)
{
	static const char *const names[] = {
		[INLAY_LEG_NONE] = "none",
		[INLAY_LEG_ATTACHED] = "attached",
		[INLAY_LEG_DETACHED] = "detached",
		[INLAY_LEG_OFFERED] = "offered",
	};
	const struct inlay_leg *leg = rd->leg.entry;
	__u32 state = leg != NULL ? inlay_load_u32(&leg->state) : INLAY_LEG_NONE;

	v->leg = state < INLAY_ARRAY_SIZE(names) ? names[state] : "?";
	v->why_detached = RELAY_NO_REASON;
	if (state == INLAY_LEG_NONE)
		return;
	v->number = leg->stream;
	if (state == INLAY_LEG_DETACHED)
		v->why_detached = inlay_load_u16(&leg->reason);
	/* |attach| is the forwarder's to write until it has attached, and |detach| until it has
	 * detached: it may be about to when we have withdrawn the offer, or the stream. */
	if (state == INLAY_LEG_OFFERED || (state == INLAY_LEG_DETACHED && !is_left_alone(rd)))
		return;
	v->has_attach = true;
	v->attach = leg->attach;
	if (state != INLAY_LEG_DETACHED)
		return;
	/* Who takes a leg back does not know where: that stands in the log. */
	v->has_detach = v->why_detached != INLAY_REASON_RECALLED &&
			v->why_detached != INLAY_REASON_POSITION_OFF;
	v->detach = leg->detach;
}

void inlay_relay_for_each_stream(const struct relay_subscription *sub,
				 void (*each)(void *user, const struct inlay_relay_stream_view *v),
				 void *user)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &sub->readers) {
		const struct relay_reader *rd =
			inlay_list_entry(node, struct relay_reader, of_subscription);
		struct inlay_relay_stream_view v = {
			.state = reader_state(rd),
			.is_evicted = rd->stream->group == NULL,
			.group = rd->stream->header.group,
			.subgroup = rd->stream->header.subgroup,
			.arrived = rd->stream->size,
		};

		view_leg(rd, &v);
		each(user, &v);
	}
}
