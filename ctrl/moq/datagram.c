/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Object datagrams that arrive. One may overtake the message that tells its alias, or SETUP: it is
 * kept for as long as a stream would be, within max_pending_bytes together with them.
 */
#include "session_impl.h"

#include <stdlib.h>
#include <string.h>

struct early_datagram {
	struct inlay_list node;
	inlay_ns deadline;
	size_t len;
	__u8 data[];
};

static void drop(struct inlay_moq_session *s, struct early_datagram *d)
{
	inlay_list_remove(&d->node);
	s->pending_bytes -= sizeof(*d) + d->len;
	free(d);
}

/* Without room it is lost, as datagrams may be. */
static void keep(struct inlay_moq_session *s, const __u8 *data, size_t len)
{
	struct early_datagram *d;

	if (s->pending_bytes + sizeof(*d) + len > s->config.max_pending_bytes)
		return;
	d = malloc(sizeof(*d) + len);
	if (d == NULL)
		return;
	d->deadline = s->now + s->config.pending_timeout;
	d->len = len;
	memcpy(d->data, data, len);
	s->pending_bytes += sizeof(*d) + len;
	inlay_list_append(&s->early_datagrams, &d->node);
}

/* False: its alias is not known yet. */
static bool take(struct inlay_moq_session *s, const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_moq_datagram object;
	struct inlay_moq_request *req;
	enum inlay_moq_verdict verdict;

	verdict = inlay_moq18_datagram_parse(&c, &object);
	if (verdict == INLAY_MOQ_OK && object.padding)
		return true;
	if (verdict == INLAY_MOQ_OK)
		verdict = inlay_moq18_object_properties_check(object.properties, object.group,
							      object.object);
	if (verdict != INLAY_MOQ_OK && verdict != INLAY_MOQ_MALFORMED_TRACK) {
		inlay_moq_violation(s, verdict, "malformed datagram");
		return true;
	}
	req = s->has_setup ? inlay_map_get(&s->aliases, object.alias) : NULL;
	if (req == NULL)
		return inlay_moq_is_tombstone(s, object.alias);
	if (verdict == INLAY_MOQ_MALFORMED_TRACK)
		inlay_moq_request_malformed(req);
	else if (s->config.ops->on_datagram != NULL)
		s->config.ops->on_datagram(s->config.user, req, &object);
	return true;
}

void inlay_moq_datagram_data(struct inlay_moq_session *s, const __u8 *data, size_t len)
{
	if (!take(s, data, len))
		keep(s, data, len);
}

void inlay_moq_datagram_retry_all(struct inlay_moq_session *s)
{
	struct inlay_list waiting;
	struct inlay_list *node, *after;

	/* The application may do anything from its callback: nobody else sees this list. */
	inlay_list_init(&waiting);
	inlay_list_for_each_safe (node, after, &s->early_datagrams) {
		inlay_list_remove(node);
		inlay_list_append(&waiting, node);
	}
	s->replaying = true;
	inlay_list_for_each_safe (node, after, &waiting) {
		struct early_datagram *d = inlay_list_entry(node, struct early_datagram, node);

		if (s->closing || take(s, d->data, d->len)) {
			drop(s, d);
		} else {
			inlay_list_remove(&d->node);
			inlay_list_append(&s->early_datagrams, &d->node);
		}
	}
	s->replaying = false;
}

void inlay_moq_datagram_expire(struct inlay_moq_session *s, inlay_ns until)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &s->early_datagrams) {
		struct early_datagram *d = inlay_list_entry(node, struct early_datagram, node);

		if (d->deadline <= until)
			drop(s, d);
	}
}

inlay_ns inlay_moq_datagram_deadline(const struct inlay_moq_session *s)
{
	if (inlay_list_is_empty(&s->early_datagrams))
		return INLAY_NEVER;
	/* In order of arrival, so of deadline. */
	return inlay_list_entry(s->early_datagrams.next, struct early_datagram, node)->deadline;
}
