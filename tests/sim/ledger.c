/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The account of objects: a subscriber finds what it gets among what was published. What is left in
 * the end must be covered by a reset that the relay named (config.on_reset), or by the publisher's
 * own, or by the end of a session.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* --- What arrived, by object ------------------------------------------------------------------ */

static __u8 *got(struct sim_sub *sub, __u32 index)
{
	if (index >= sub->n_got) {
		__u32 n = sub->track->n_objects + 64;

		sub->got = realloc(sub->got, n);
		if (!sub->got)
			abort();
		memset(sub->got + sub->n_got, SIM_MISSING, n - sub->n_got);
		sub->n_got = n;
	}
	return &sub->got[index];
}

/* --- What the relay left out ----------------------------------------------------------------- */

static struct sim_track *track_of(struct sim *s, const struct inlay_moq_name *name)
{
	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		if (inlay_moq_name_equal(&s->tracks[i].name, name))
			return &s->tracks[i];
	return NULL;
}

void sim_ledger_excuse(struct sim_life *life, const struct sim_excuse *excuse)
{
	struct sim_excuse *e;

	if (life->client->sim->plan.forgetful)
		return;
	e = malloc(sizeof(*e));
	if (!e)
		abort();
	*e = *excuse;
	e->next = life->excuses;
	life->excuses = e;
}

/* Before its first object the relay may not know which subgroup it is. */
static void refuse(struct sim_track *t, const struct sim_life *life,
		   const struct inlay_relay_reset *reset)
{
	struct sim_stream *st;

	for (st = t->streams; st; st = st->next)
		if (st->life == life && st->group == reset->group &&
		    (st->subgroup == reset->subgroup || reset->subgroup == 0))
			st->refused = true;
}

/* What a subscriber itself has left out. */
static bool is_subscribers(enum inlay_relay_rule rule)
{
	return rule == INLAY_RELAY_RULE_STOPPED || rule == INLAY_RELAY_RULE_NARROWED ||
	       rule == INLAY_RELAY_RULE_ENDED;
}

void sim_ledger_on_reset(void *user, struct inlay_relay_session *rs,
			 const struct inlay_relay_reset *reset)
{
	struct inlay_moq_session *moq = inlay_relay_session_moq(rs);
	struct sim *s = user;
	struct sim_life *life = s->lives;
	struct sim_excuse e = {.rule = reset->rule,
			       .request = reset->request,
			       .group = reset->group,
			       .subgroup = reset->subgroup,
			       .and_older = reset->and_older,
			       .any_subgroup = reset->any_subgroup};

	while (life && life->relay_moq != moq)
		life = life->next;
	if (!life) {
		sim_fail(s, "the relay speaks of a session that nobody has");
		return;
	}
	e.track = track_of(s, reset->name);
	if (reset->upstream) {
		refuse(e.track, life, reset);
		return;
	}
	sim_ledger_excuse(life, &e);
	if (s->plan.ample && !is_subscribers(e.rule) && e.rule != INLAY_RELAY_RULE_UPSTREAM)
		sim_fail(s, "%s/%llu/%llu: %s, though limits are ample", e.track->text,
			 (unsigned long long)e.group, (unsigned long long)e.subgroup,
			 inlay_relay_rule_name(e.rule));
	sim_trace(s, "relay: %s/%llu/%llu to client %d, request %llu: %s", e.track->text,
		  (unsigned long long)e.group, (unsigned long long)e.subgroup, life->client->index,
		  (unsigned long long)e.request, inlay_relay_rule_name(e.rule));
}

static bool is_excused(const struct sim_sub *sub, __u64 group, __u64 subgroup)
{
	const struct sim_excuse *e;

	for (e = sub->life->excuses; e; e = e->next) {
		if (e->request != sub->request_id || e->track != sub->track)
			continue;
		if (e->group == group && (e->subgroup == subgroup || e->any_subgroup))
			return true;
		if (e->and_older && group <= e->group)
			return true;
	}
	return false;
}

/* --- What arrived ---------------------------------------------------------------------------- */

#define TELL(in, format, ...)                                                                      \
	sim_fail((in)->sub->life->client->sim, "client %d, %s/%llu/%llu: " format,                 \
		 (in)->sub->life->client->index, (in)->sub->track->text,                           \
		 (unsigned long long)(in)->header.group,                                           \
		 (unsigned long long)(in)->header.subgroup, ##__VA_ARGS__)

#define ALL ((1U << SIM_SOURCES) - 1)

/* Of those by |authors| that have published it. */
static __u32 oldest_life(const struct sim_object *o, __u32 authors)
{
	__u32 number = ~0U;

	for (int i = 0; i < SIM_SOURCES; i++) {
		const struct sim_stream *st = o->copies[i].stream;

		if (authors & 1U << i && st && st->life->number < number)
			number = st->life->number;
	}
	return number;
}

/* Whose stream |rx| can be, if |o| is next in it: a stream has one author from first to last. */
static __u32 authors_of(const struct sim_in *rx, const struct sim_object *o)
{
	const struct sim_object *before =
		rx->n_objects ? &rx->sub->track->objects[rx->object] : NULL;
	__u32 authors = 0;

	for (int i = 0; i < SIM_SOURCES; i++) {
		const struct sim_copy *copy = &o->copies[i];
		const struct sim_copy *last = before ? &before->copies[i] : NULL;

		if (!copy->stream || copy->stream->subgroup != rx->header.subgroup)
			continue;
		if (!last || (rx->authors & 1U << i && last->stream == copy->stream &&
			      copy->place == last->place + 1))
			authors |= 1U << i;
	}
	return authors;
}

void sim_ledger_on_subscribe_ok(struct sim_sub *sub, struct inlay_moq_location largest)
{
	const struct sim_track *t = sub->track;
	__u32 index = sim_object_find(t, largest.group, largest.object);

	if (index < t->n_objects && !t->objects[index].datagram)
		sub->newest = oldest_life(&t->objects[index], ALL);
}

void sim_ledger_on_subgroup(struct sim_sub *sub, struct inlay_moq_incoming *in,
			    const struct inlay_moq_subgroup *header)
{
	struct sim_in *rx = calloc(1, sizeof(*rx));

	if (!rx)
		abort();
	rx->sub = sub;
	rx->in = in;
	rx->header = *header;
	rx->next = sub->streams;
	sub->streams = rx;
	inlay_moq_incoming_set_user(in, rx);
	if (sub->life->client->sim->packets)
		sim_trace(sub->life->client->sim, "client %d: %s/%llu/%llu begins",
			  sub->life->client->index, sub->track->text,
			  (unsigned long long)header->group, (unsigned long long)header->subgroup);
	if (!sub->ok)
		TELL(rx, "a stream before SUBSCRIBE_OK");
}

static bool has_its_properties(const struct sim_track *t, const struct sim_object *o,
			       const struct inlay_moq_object *object)
{
	__u8 bytes[512];
	size_t len = sim_object_properties(t, o->group, o->id, bytes, sizeof(bytes));

	return object->properties_len == len &&
	       (len == 0 || !memcmp(object->properties, bytes, len));
}

/* Against what its publisher published. */
static void check_object(struct sim_in *rx, const struct inlay_moq_object *object)
{
	struct sim_track *t = rx->sub->track;
	__u32 index = sim_object_find(t, rx->header.group, object->id);
	const struct sim_object *o;
	__u32 life;
	__u8 *mark;

	if (index == t->n_objects) {
		TELL(rx, "object %llu was never published", (unsigned long long)object->id);
		return;
	}
	o = &t->objects[index];
	rx->authors = authors_of(rx, o);
	if (!rx->authors)
		TELL(rx, "object %llu is of another subgroup, or behind a hole",
		     (unsigned long long)object->id);
	rx->object = index;
	life = oldest_life(o, rx->authors);
	if (rx->authors && life > rx->sub->newest)
		rx->sub->newest = life;
	if (!has_its_properties(t, o, object))
		TELL(rx, "object %llu has other properties", (unsigned long long)object->id);
	mark = got(rx->sub, index);
	if (*mark != SIM_MISSING)
		TELL(rx, "object %llu comes twice", (unsigned long long)object->id);
	*mark = o->len ? SIM_BEGUN : SIM_COMPLETE;
}

void sim_ledger_on_object(struct inlay_moq_incoming *in, const struct inlay_moq_object *object)
{
	struct sim_in *rx = inlay_moq_incoming_user(in);
	struct sim_track *t = rx->sub->track;

	if (rx->n_objects == 0 && rx->header.id_mode == INLAY_MOQ_SUBGROUP_FIRST_OBJECT)
		rx->header.subgroup = object->id;
	rx->id = object->id;
	rx->len = sim_object_len(t, rx->header.group, object->id);
	rx->offset = 0;
	rx->broken =
		object->payload_len == rx->sub->track->broken_len && rx->len != object->payload_len;
	if (rx->broken)
		return; /* its header was in order */
	if (object->payload_len != rx->len || object->status != INLAY_MOQ_STATUS_NORMAL)
		TELL(rx, "object %llu has %llu bytes, not %u", (unsigned long long)object->id,
		     (unsigned long long)object->payload_len, rx->len);
	else if (!rx->sub->life->client->sim->plan.forgetful)
		check_object(rx, object);
	rx->n_objects++;
	rx->sub->n_complete += rx->len == 0;
}

void sim_ledger_on_payload(struct inlay_moq_incoming *in, const __u8 *data, size_t len, bool end)
{
	struct sim_in *rx = inlay_moq_incoming_user(in);
	__u64 seed = sim_object_seed(rx->sub->track, rx->header.group, rx->id);

	if (rx->broken && end)
		TELL(rx, "object %llu is malformed, and arrives whole", (unsigned long long)rx->id);
	if (rx->broken)
		return;
	for (size_t i = 0; i < len; i++)
		if (data[i] != sim_object_byte(seed, rx->offset + i)) {
			TELL(rx, "object %llu is damaged at byte %llu", (unsigned long long)rx->id,
			     (unsigned long long)(rx->offset + i));
			return;
		}
	rx->offset += len;
	if (!end)
		return;
	rx->sub->n_complete++;
	if (rx->offset != rx->len)
		TELL(rx, "object %llu ends early", (unsigned long long)rx->id);
	if (rx->sub->life->client->sim->plan.forgetful)
		return;
	*got(rx->sub, rx->object) = SIM_COMPLETE;
	if (rx->sub->life->client->sim->on_complete)
		rx->sub->life->client->sim->on_complete(rx->sub,
							&rx->sub->track->objects[rx->object]);
}

void sim_ledger_in_end(struct sim_in *rx)
{
	struct sim_in **place = &rx->sub->streams;

	rx->in = NULL;
	if (!rx->sub->life->client->sim->plan.forgetful)
		return;
	while (*place != rx)
		place = &(*place)->next;
	*place = rx->next;
	free(rx);
}

static bool is_last(const struct sim_in *rx, const struct sim_object *o)
{
	for (int i = 0; i < SIM_SOURCES; i++) {
		const struct sim_copy *copy = &o->copies[i];

		if (rx->authors & 1U << i && copy->stream->fin &&
		    copy->place + 1 == copy->stream->n_objects)
			return true;
	}
	return false;
}

/* An end that says that all was there, or that it was not. */
static void check_end(struct sim_in *rx, enum inlay_moq_end end, __u64 code)
{
	const struct sim_object *o = rx->n_objects ? &rx->sub->track->objects[rx->object] : NULL;

	if (end == INLAY_MOQ_END_CANCELLED && !rx->sub->track->malformed &&
	    (o || rx->header.id_mode != INLAY_MOQ_SUBGROUP_FIRST_OBJECT) &&
	    !is_excused(rx->sub, rx->header.group, rx->header.subgroup))
		TELL(rx, "reset (0x%llx) by no rule", (unsigned long long)code);
	if (end != INLAY_MOQ_END_DONE || !o)
		return;
	if (rx->broken)
		TELL(rx, "FIN in or behind a malformed object");
	if (*got(rx->sub, rx->object) != SIM_COMPLETE)
		TELL(rx, "FIN within object %llu", (unsigned long long)o->id);
	else if (!is_last(rx, o))
		TELL(rx, "FIN behind object %llu, which is not the last",
		     (unsigned long long)o->id);
}

void sim_ledger_on_subgroup_end(struct inlay_moq_incoming *in, enum inlay_moq_end end, __u64 code)
{
	struct sim_in *rx = inlay_moq_incoming_user(in);
	struct sim *s;

	if (!rx)
		return;
	s = rx->sub->life->client->sim;
	if (s->packets)
		sim_trace(s, "client %d: %s/%llu/%llu ends (%d, 0x%llx), %u objects",
			  rx->sub->life->client->index, rx->sub->track->text,
			  (unsigned long long)rx->header.group,
			  (unsigned long long)rx->header.subgroup, end, (unsigned long long)code,
			  rx->n_objects);
	if (!s->plan.forgetful)
		check_end(rx, end, code);
	sim_ledger_in_end(rx);
}

void sim_ledger_on_datagram(struct sim_sub *sub, const struct inlay_moq_datagram *d)
{
	struct sim *s = sub->life->client->sim;
	__u64 seed = sim_object_seed(sub->track, d->group, d->object);
	__u32 index = sim_object_find(sub->track, d->group, d->object);
	const char *wrong = NULL;
	__u8 *mark;

	if (d->payload.len != sim_object_len(sub->track, d->group, d->object))
		wrong = "has another length";
	for (size_t i = 0; i < d->payload.len && !wrong; i++)
		if (d->payload.data[i] != sim_object_byte(seed, i))
			wrong = "is damaged";
	if (!wrong && !s->plan.forgetful) {
		if (index == sub->track->n_objects || !sub->track->objects[index].datagram)
			wrong = "was not published";
		mark = wrong ? NULL : got(sub, index);
		if (mark && *mark != SIM_MISSING)
			wrong = "comes twice";
		if (mark)
			*mark = SIM_COMPLETE;
	}
	sub->n_datagrams++;
	if (wrong)
		sim_fail(s, "client %d, %s: datagram %llu/%llu %s", sub->life->client->index,
			 sub->track->text, (unsigned long long)d->group,
			 (unsigned long long)d->object, wrong);
}

/* --- The balance ----------------------------------------------------------------------------- */

/* Its publishers, as far as |sub| knows of them, were gone when it was told that the track is. */
static bool is_of_the_gone(const struct sim_sub *sub, const struct sim_object *o)
{
	for (int i = 0; i < SIM_SOURCES; i++) {
		const struct sim_stream *st = o->copies[i].stream;

		if (st && (!st->life->ended || st->life->ended_at > sub->done_at ||
			   st->life->number > sub->newest))
			return false;
	}
	return true;
}

/* The relay may have forgotten what one of two publishers had published when that was gone, and the
 * other one, whom it has asked then, does not know of it. */
static bool is_past(const struct sim_sub *sub, const struct sim_object *o)
{
	for (__u32 i = 0; i < sub->track->n_sources; i++) {
		const struct sim_copy *copy = &o->copies[i];

		if (copy->stream && copy->at >= sub->made_at &&
		    copy->stream->service >= sub->services[i])
			return false;
	}
	return sub->track->n_sources > 1;
}

static bool is_expected(const struct sim_sub *sub, const struct sim_object *o)
{
	const struct inlay_moq_location where = {o->group, o->id};

	if (!sub->ok || !sub->has_from || sub->track->malformed || o->datagram ||
	    o->group > sub->end_group || is_past(sub, o))
		return false;
	/* The track ended as its publisher was gone; what one that came back has published since
	 * then is another subscription's. One may have come and gone while PUBLISH_DONE was on its
	 * way: that is one of whom nothing came. */
	if (sub->done_at && !is_of_the_gone(sub, o))
		return false;
	if (inlay_moq_location_less(sub->from, where))
		return true;
	return sub->inclusive && o->group == sub->from.group && o->id == sub->from.object;
}

bool sim_ledger_expects(const struct sim_sub *sub, __u32 index)
{
	return is_expected(sub, &sub->track->objects[index]);
}

bool sim_ledger_has(const struct sim_sub *sub, __u32 index)
{
	return index < sub->n_got && sub->got[index] == SIM_COMPLETE;
}

static bool is_pardoned(const struct sim_sub *sub, const struct sim_object *o)
{
	if (sim_object_lost(sub->track, o))
		return true;
	/* With ample limits nobody but the publisher, by leaving, or the subscriber leaves anything
	 * out. */
	if (sub->life->client->sim->plan.ample && sim_object_is_cut(sub->track, o))
		return false;
	return is_excused(sub, o->group, o->subgroup);
}

static int state_of(const struct sim_object *o, int source)
{
	const struct sim_stream *st = o->copies[source].stream;

	return st ? (int)st->state : -1;
}

__u32 sim_ledger_missing(struct sim *s, struct sim_sub *sub, bool tell)
{
	struct sim_track *t = sub->track;
	__u32 until = sub->has_until ? sub->until : t->n_objects, n = 0;

	for (__u32 i = 0; i < until; i++) {
		const struct sim_object *o = &t->objects[i];

		if (*got(sub, i) == SIM_COMPLETE || !is_expected(sub, o))
			continue;
		if (is_pardoned(sub, o))
			continue;
		if (n++ == 0 && tell)
			sim_fail(s,
				 "client %d, %s: object %llu/%llu (subgroup %llu) was neither "
				 "delivered nor reset (request %llu, from %llu/%llu; its streams "
				 "are in states %d, %d)",
				 sub->life->client->index, t->text, (unsigned long long)o->group,
				 (unsigned long long)o->id, (unsigned long long)o->subgroup,
				 (unsigned long long)sub->request_id,
				 (unsigned long long)sub->from.group,
				 (unsigned long long)sub->from.object, state_of(o, 0),
				 state_of(o, 1));
	}
	return n;
}

void sim_ledger_life_free(struct sim_life *life)
{
	struct sim_sub *sub;
	struct sim_excuse *e;
	struct sim_in *in;

	while ((e = life->excuses)) {
		life->excuses = e->next;
		free(e);
	}
	while ((sub = life->subs)) {
		life->subs = sub->next;
		while ((in = sub->streams)) {
			sub->streams = in->next;
			free(in);
		}
		free(sub->got);
		free(sub);
	}
	free(life);
}
