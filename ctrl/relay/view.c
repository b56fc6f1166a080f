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
		};

		relay_position_view(sub, &v.streams_lent, &v.copies, &v.why_not_sent);
		each(user, &v);
	}
}
