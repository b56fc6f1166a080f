/* SPDX-License-Identifier: BSD-2-Clause */
/* A track's publisher: one subscription at a time, one stream a group. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publisher.h"
#include "timestamp.h"

struct inlay_publisher {
	struct inlay_publisher_config config;
	struct inlay_publisher *next; /* of the session's tracks */
	struct inlay_moq_session *session;
	struct inlay_moq_request *status;	/* TRACK_STATUS, before all else */
	struct inlay_moq_request *announcement; /* PUBLISH_NAMESPACE; with PUBLISH: NULL */
	struct inlay_moq_request *subscription; /* established, the peer's or our PUBLISH */
	bool announcing, announced, forward, finished;
	struct inlay_moq_filter filter;
	struct inlay_moq_outgoing *stream; /* of the group in progress */
	bool in_group;			   /* the group in progress is being sent */
	bool any_group;			   /* |group| is the last one that began */
	__u64 group, object;
	bool any_object;
	struct inlay_moq_location largest;
	struct inlay_publisher_stats stats;
	char error[200];
};

struct inlay_publisher *inlay_publisher_new(const struct inlay_publisher_config *config)
{
	struct inlay_publisher *p = calloc(1, sizeof(*p));

	if (p)
		p->config = *config;
	return p;
}

void inlay_publisher_free(struct inlay_publisher *p)
{
	free(p);
}

void inlay_publisher_join(struct inlay_publisher *first, struct inlay_publisher *p)
{
	while (first->next)
		first = first->next;
	first->next = p;
}

void inlay_publisher_set_session(struct inlay_publisher *p, struct inlay_moq_session *s)
{
	for (; p; p = p->next)
		p->session = s;
}

bool inlay_publisher_is_wanted(const struct inlay_publisher *p)
{
	return p->subscription && p->forward;
}

bool inlay_publisher_is_announced(const struct inlay_publisher *p)
{
	for (; p; p = p->next)
		if (p->announced)
			return true;
	return false;
}

bool inlay_publisher_is_asking(const struct inlay_publisher *p)
{
	for (; p; p = p->next)
		if (p->status && !p->announcing)
			return true;
	return false;
}

const char *inlay_publisher_error(const struct inlay_publisher *p)
{
	for (; p; p = p->next)
		if (p->error[0])
			return p->error;
	return NULL;
}

void inlay_publisher_stats(const struct inlay_publisher *p, struct inlay_publisher_stats *ret)
{
	*ret = p->stats;
}

static void note_error(struct inlay_publisher *p, const char *what, const char *why)
{
	if (!p->error[0])
		snprintf(p->error, sizeof(p->error), "%s: %s", what, why);
}

/* ---- frames ---- */

static void end_group(struct inlay_publisher *p)
{
	if (p->stream)
		inlay_moq_outgoing_finish(p->stream);
	p->stream = NULL;
	p->in_group = false;
}

static int begin_group(struct inlay_publisher *p)
{
	struct inlay_moq_subgroup header = {
		.group = p->any_group ? p->group + 1 : p->config.first_group,
		.id_mode = INLAY_MOQ_SUBGROUP_ZERO,
		.priority = p->config.priority,
		.has_priority = true,
		.has_properties = p->config.timestamps,
		.end_of_group = true,
		.first_object = true,
	};
	int rv;

	end_group(p);
	if (inlay_publisher_is_wanted(p) && !p->config.datagrams) {
		rv = inlay_moq_outgoing_open(
			p->subscription, &header,
			inlay_moq_priority(128, p->config.priority, false, header.group, 0), p,
			&p->stream);
		if (rv)
			return rv;
	}
	p->in_group = inlay_publisher_is_wanted(p);
	p->group = header.group;
	p->any_group = true;
	p->object = 0;
	p->stats.groups += p->in_group;
	return 0;
}

static bool passes_filter(const struct inlay_publisher *p)
{
	struct inlay_moq_location at = {.group = p->group, .object = p->object};

	if (p->filter.type != INLAY_MOQ_FILTER_ABSOLUTE_START &&
	    p->filter.type != INLAY_MOQ_FILTER_ABSOLUTE_RANGE)
		return true;
	return !inlay_moq_location_less(at, p->filter.start) &&
	       (p->filter.type != INLAY_MOQ_FILTER_ABSOLUTE_RANGE ||
		at.group <= p->filter.end_group);
}

static int send_on_stream(struct inlay_publisher *p, const __u8 *data, size_t len,
			  const __u8 *properties, size_t properties_len)
{
	struct inlay_moq_object object = {
		.id = p->object,
		.payload_len = len,
		.properties = properties,
		.properties_len = properties_len,
	};
	int rv = inlay_moq_outgoing_object(p->stream, &object);

	return rv || !len ? rv : inlay_moq_outgoing_payload(p->stream, data, len);
}

static int send_as_datagram(struct inlay_publisher *p, const __u8 *data, size_t len,
			    const __u8 *properties, size_t properties_len)
{
	struct inlay_moq_datagram d = {
		.group = p->group,
		.object = p->object,
		.priority = p->config.priority,
		.has_priority = true,
		.properties = {.data = properties, .len = properties_len},
		.payload = {.data = data, .len = len},
	};

	return inlay_moq_request_datagram(p->subscription, &d, NULL);
}

static int send_object(struct inlay_publisher *p, const __u8 *data, size_t len, inlay_ns now)
{
	__u8 properties[INLAY_TIMESTAMP_ROOM];
	size_t n = p->config.timestamps ? inlay_timestamp_put(properties, now) : 0;
	int rv;

	if (p->config.datagrams)
		rv = send_as_datagram(p, data, len, properties, n);
	else
		rv = send_on_stream(p, data, len, properties, n);
	switch (rv) {
	case 0:
		p->stats.frames++;
		p->stats.bytes += len;
		if (p->config.on_sent)
			p->config.on_sent(p->config.user, p->group, p->object, data, len);
		return 0;
	case -EMSGSIZE:
		p->stats.too_large++;
		return 0;
	case -ENOBUFS:
		p->stats.unsent++;
		return 0;
	case -EPIPE: /* the subscriber wants no more of this group */
		p->stats.unwanted++;
		return 0;
	default:
		return rv;
	}
}

int inlay_publisher_frame(struct inlay_publisher *p, const __u8 *data, size_t len,
			  bool starts_group, inlay_ns now)
{
	int rv = 0;

	if (starts_group || !p->any_group)
		rv = begin_group(p);
	if (rv)
		return rv;
	if (!p->in_group || !inlay_publisher_is_wanted(p) || !passes_filter(p) ||
	    (!p->stream && !p->config.datagrams))
		p->stats.unwanted++;
	else
		rv = send_object(p, data, len, now);
	p->largest = (struct inlay_moq_location){.group = p->group, .object = p->object};
	p->any_object = true;
	p->object++;
	return rv;
}

void inlay_publisher_finish(struct inlay_publisher *p, enum inlay_moq_done_code status)
{
	if (p->finished)
		return;
	p->finished = true;
	end_group(p);
	if (p->subscription)
		inlay_moq_request_publish_done(p->subscription, status,
					       inlay_moq_done_code_text(status));
	p->subscription = NULL;
}

/* ---- requests ---- */

static void answer_params(const struct inlay_publisher *p, struct inlay_moq_params *params)
{
	*params = (struct inlay_moq_params){0};
	if (!p->any_object)
		return;
	params->present = INLAY_MOQ_HAS_LARGEST_OBJECT;
	params->largest_object = p->largest;
}

/* The track of that name; NULL: answered that there is none. */
static struct inlay_publisher *find(struct inlay_publisher *p, struct inlay_moq_request *req,
				    const struct inlay_moq_name *name)
{
	for (; p; p = p->next)
		if (!p->finished && inlay_moq_name_equal(name, p->config.name))
			return p;
	inlay_moq_request_error(req, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, 0, "not published here");
	return NULL;
}

static void establish(struct inlay_publisher *p, struct inlay_moq_request *req,
		      const struct inlay_moq_params *params)
{
	inlay_moq_request_set_user(req, p);
	p->subscription = req;
	p->forward = params->forward;
	p->filter = params->filter;
	/* A group in progress cannot be entered in its middle. */
	p->in_group = false;
	p->stream = NULL;
}

static void on_subscribe(void *user, struct inlay_moq_request *req,
			 const struct inlay_moq_subscribe *m)
{
	struct inlay_publisher *p = find(user, req, &m->name);
	struct inlay_moq_params params;

	if (!p)
		return;
	if (p->subscription) {
		inlay_moq_request_error(req, INLAY_MOQ_REQUEST_DUPLICATE_SUBSCRIPTION, 0,
					"one subscription at a time");
		return;
	}
	answer_params(p, &params);
	if (!inlay_moq_request_subscribe_ok(req, &params, NULL))
		establish(p, req, &m->params);
}

static void on_track_status(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe *m)
{
	struct inlay_publisher *p = find(user, req, &m->name);
	struct inlay_moq_params params;

	if (!p)
		return;
	answer_params(p, &params);
	inlay_moq_request_ok(req, &params, NULL);
}

static void on_update(void *user, struct inlay_moq_request *req,
		      const struct inlay_moq_params *params)
{
	struct inlay_publisher *p = inlay_moq_request_user(req);
	struct inlay_moq_params answer;

	if (!p)
		p = user;
	if (req == p->subscription) {
		if (params->present & INLAY_MOQ_HAS_FORWARD)
			p->forward = params->forward;
		if (params->present & INLAY_MOQ_HAS_FILTER)
			p->filter = params->filter;
	}
	answer_params(p, &answer);
	inlay_moq_request_update_ok(req, &answer);
}

/* A namespace is announced once, by the first of its tracks. */
static bool is_announced_by_another(const struct inlay_publisher *first,
				    const struct inlay_publisher *p)
{
	for (; first != p; first = first->next)
		if (inlay_moq_namespace_equal(&first->config.name->ns, &p->config.name->ns))
			return true;
	return false;
}

static int announce(struct inlay_publisher *first, struct inlay_publisher *p)
{
	struct inlay_moq_namespace_request announcement = {.ns = p->config.name->ns};
	struct inlay_moq_publish publish = {.name = *p->config.name};
	struct inlay_moq_request *req;

	if (p->config.publish)
		return inlay_moq_session_publish(p->session, &publish, p, &req);
	if (is_announced_by_another(first, p))
		return 0;
	return inlay_moq_session_publish_namespace(p->session, &announcement, p, &p->announcement);
}

void inlay_publisher_announce(struct inlay_publisher *first)
{
	struct inlay_publisher *p;
	__u64 group = 0;
	int rv;

	if (first->announcing)
		return;
	for (p = first; p; p = p->next)
		group = p->config.first_group > group ? p->config.first_group : group;
	for (p = first; p; p = p->next) {
		p->announcing = true;
		p->config.first_group = group;
		rv = announce(first, p);
		if (rv)
			note_error(p, "cannot announce the track", strerror(-rv));
	}
}

static void on_setup(void *user, const struct inlay_moq_setup *setup)
{
	struct inlay_publisher *first = user, *p;

	for (p = first; p; p = p->next) {
		struct inlay_moq_subscribe status = {.name = *p->config.name};

		if (p->config.go_on)
			(void)inlay_moq_session_track_status(p->session, &status, p, &p->status);
	}
	if (!inlay_publisher_is_asking(first))
		inlay_publisher_announce(first);
}

/* What the peer knows of the track; NULL: nothing. */
static void on_status(struct inlay_publisher *first, struct inlay_publisher *p,
		      const struct inlay_moq_params *params)
{
	p->status = NULL;
	if (p->announcing)
		return;
	if (params && params->present & INLAY_MOQ_HAS_LARGEST_OBJECT &&
	    params->largest_object.group < INLAY_PN_MAX)
		p->config.first_group = params->largest_object.group + 1;
	if (!inlay_publisher_is_asking(first))
		inlay_publisher_announce(first);
}

static void on_request_ok(void *user, struct inlay_moq_request *req,
			  const struct inlay_moq_request_ok *m)
{
	struct inlay_publisher *p = inlay_moq_request_user(req);

	if (req == p->status) {
		on_status(user, p, &m->params);
		return;
	}
	p->announced = true;
	if (req != p->announcement)
		establish(p, req, &m->params);
}

static void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			   __u64 code, const struct inlay_moq_request_error *error)
{
	struct inlay_publisher *p = inlay_moq_request_user(req);
	char why[160];

	if (!p)
		return;
	if (req == p->subscription) {
		p->subscription = NULL;
		p->stream = NULL;
		p->in_group = false;
		return;
	}
	if (end == INLAY_MOQ_END_SESSION || p->finished)
		return;
	if (req == p->status) { /* it knows nothing */
		on_status(user, p, NULL);
		return;
	}
	if (req != p->announcement && !p->config.publish)
		return;
	if (req == p->announcement)
		p->announcement = NULL;
	snprintf(why, sizeof(why), "%s%s%.*s", inlay_moq_request_code_text(code),
		 error && error->reason.len ? ": " : "",
		 error ? (int)(error->reason.len < 100 ? error->reason.len : 100) : 0,
		 error ? (const char *)error->reason.data : "");
	note_error(p, "the relay refuses the track", why);
}

static void on_outgoing_end(void *user, struct inlay_moq_outgoing *out, enum inlay_moq_end end,
			    __u64 code)
{
	struct inlay_publisher *p = inlay_moq_outgoing_user(out);

	if (p->stream == out) /* frames until the next group are unwanted */
		p->stream = NULL;
}

static const struct inlay_moq_session_ops session_ops = {
	.on_setup = on_setup,
	.on_subscribe = on_subscribe,
	.on_track_status = on_track_status,
	.on_update = on_update,
	.on_request_ok = on_request_ok,
	.on_request_end = on_request_end,
	.on_outgoing_end = on_outgoing_end,
};

const struct inlay_moq_session_ops *inlay_publisher_session_ops(void)
{
	return &session_ops;
}
