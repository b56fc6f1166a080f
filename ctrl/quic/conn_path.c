/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which way packets go: the peer's migrations, our own, and those that somebody only feigns (RFC
 * 9000 section 9). A server follows the newest packet that is more than a probe, at once, within
 * three times what came from there; asks both paths, the new one and the one left, whether the peer
 * is there; and goes back if it is not. A client asks first and moves then.
 *
 * No CID of the peer's is used on two paths, unless the peer itself goes on with one of ours: then
 * its address has changed without its doing, and there is nothing to hide (section 9.5). Who has no
 * CID left for a path is neither answered there nor followed; the peer tries again.
 */
#include "build.h"

#include <errno.h>
#include <string.h>

/* Section 8.2.4: the probe timeout of a path of which nothing is known (RFC 9002 section 6.2.2). */
#define INITIAL_PTO  (3 * 333 * INLAY_MS)
#define PATIENCE     3
#define REFUSALS     5 /* without an answer to 1200 bytes, from a peer that is heard: the end */
#define MAX_BACKOFF  5
#define LEAST_PACKET 16 /* bytes of frames that the smallest of these packets has room for */

/* --- Entries -------------------------------------------------------------------------------- */

static void tell_probe(struct inlay_conn *c, const struct inlay_path_entry *e, bool add)
{
	if (c->ops->path_probe)
		c->ops->path_probe(c->user, &e->path, add);
}

static bool cid_is_shared(const struct inlay_conn *c, const struct inlay_path_entry *e)
{
	const struct inlay_path_entry *o;

	for (o = c->paths.entries; o < c->paths.entries + INLAY_PATHS; o++)
		if (o != e && o->used && o->cid == e->cid)
			return true;
	return false;
}

/* Not the one in use. */
static void drop(struct inlay_conn *c, struct inlay_path_entry *e)
{
	if (inlay_paths_fallback(&c->paths) == e)
		c->paths.fallback = c->paths.current;
	tell_probe(c, e, false);
	/* Section 5.1.2: a CID whose path is gone is retired. */
	if (!cid_is_shared(c, e))
		inlay_cids_release(&c->cids, e->cid);
	e->used = false;
}

const struct inlay_cid *inlay_conn_path_cid(struct inlay_conn *c, struct inlay_path_entry *e)
{
	const struct inlay_cid *cid;

	if (e == inlay_paths_current(&c->paths)) {
		e->cid = inlay_cids_peer_sequence(&c->cids);
		return inlay_cids_peer(&c->cids);
	}
	cid = inlay_cids_peer_at(&c->cids, e->cid);
	/* Retired by the peer since. */
	if (!cid && !inlay_cids_take(&c->cids, &e->cid))
		cid = inlay_cids_peer_at(&c->cids, e->cid);
	return cid;
}

/* For a path where the peer sends with |dcid| of ours. */
static int choose_cid(struct inlay_conn *c, const __u8 *dcid, __u64 *ret_sequence)
{
	struct inlay_path_entry *e;

	inlay_conn_path_cid(c, inlay_paths_current(&c->paths));
	if (inlay_cids_peer(&c->cids)->len == 0) {
		*ret_sequence = inlay_cids_peer_sequence(&c->cids);
		return 0;
	}
	for (e = c->paths.entries; e < c->paths.entries + INLAY_PATHS; e++)
		if (e->used && !memcmp(e->dcid, dcid, sizeof(e->dcid))) {
			*ret_sequence = e->cid;
			return 0;
		}
	return inlay_cids_take(&c->cids, ret_sequence);
}

/* Server: the entry of a peer's address, made if need be. NULL: no CID for it. */
static struct inlay_path_entry *entry_for(struct inlay_conn *c, const struct inlay_path *path,
					  const __u8 *dcid, size_t len)
{
	struct inlay_path_entry *e = inlay_paths_find(&c->paths, path);
	__u64 sequence;

	if (e || c->role == INLAY_CLIENT)
		return e;
	if (choose_cid(c, dcid, &sequence))
		return NULL;
	e = inlay_paths_spare(&c->paths);
	if (e->used)
		drop(c, e);
	inlay_paths_fill(&c->paths, e, path, dcid, sequence);
	e->received = len;
	tell_probe(c, e, true);
	return e;
}

/* --- Validation ----------------------------------------------------------------------------- */

static inlay_ns longer_pto(const struct inlay_conn *c)
{
	inlay_ns pto = inlay_conn_pto(c);

	return pto > INITIAL_PTO ? pto : INITIAL_PTO;
}

inlay_ns inlay_conn_path_patience(const struct inlay_conn *c)
{
	return PATIENCE * longer_pto(c);
}

static void validate(struct inlay_conn *c, struct inlay_path_entry *e, inlay_ns now)
{
	const struct inlay_path *known = &inlay_paths_fallback(&c->paths)->path;
	bool same_way = inlay_paths_same_ip(&e->path.remote, &known->remote) &&
			inlay_paths_same_ip(&e->path.local, &known->local);
	__u32 backoff = e->failures < MAX_BACKOFF ? e->failures : MAX_BACKOFF;

	/* Another port is the same way, whose round trip is known. */
	inlay_path_validate(e, same_way ? inlay_conn_pto(c) : longer_pto(c),
			    inlay_conn_path_patience(c) << backoff, now);
}

/* Section 9.4: the peer is at |e|, which is in use; what was measured on another path says nothing
 * of it. */
static void measure(struct inlay_conn *c, const struct inlay_path_entry *e)
{
	bool same = inlay_paths_is_measured(&c->paths, e);

	c->paths.measured = e->path;
	if (!same)
		inlay_conn_forget_path(c);
}

/* The path in use works: the one before is remembered for what is under way, and then no more. */
static void settle(struct inlay_conn *c, inlay_ns now)
{
	struct inlay_path_entry *before = inlay_paths_fallback(&c->paths);

	if (before == inlay_paths_current(&c->paths))
		return;
	c->paths.fallback = c->paths.current;
	before->forget_at = now + c->paths.linger;
}

static void use(struct inlay_conn *c, struct inlay_path_entry *e, inlay_ns now)
{
	struct inlay_path_entry *before = inlay_paths_current(&c->paths);
	const struct inlay_cid *cid = inlay_conn_path_cid(c, e);

	inlay_conn_path_cid(c, before); /* its own number, before another one is in use */
	c->paths.current = (__u32)(e - c->paths.entries);
	/* By the round trip of the path left, as long as it is known. */
	c->paths.linger = PATIENCE * inlay_conn_pto(c);
	e->forget_at = INLAY_NEVER;
	/* Before anything else: a forwarder may not send there. */
	inlay_recovery_set_limits(&c->recovery, now);
	if (cid)
		inlay_cids_switch(&c->cids, e->cid);
	inlay_conn_write_headers(c);
	if (c->ops->path_change)
		c->ops->path_change(c->user, &e->path);
	tell_probe(c, before, true);
}

static void go_back(struct inlay_conn *c, struct inlay_path_entry *failed, inlay_ns now)
{
	use(c, inlay_paths_fallback(&c->paths), now);
	measure(c, inlay_paths_current(&c->paths));
	drop(c, failed);
	c->stats.moves_undone++;
}

/*
 * The peer was at |e|, and there is nowhere else to go (section 8.2.4). Silence may pass: an outage
 * of a second is no reason to give up, the idle timeout is. Where the peer is heard time and again
 * and 1200 bytes do not pass, waiting does not help.
 */
static void persist(struct inlay_conn *c, struct inlay_path_entry *e, inlay_ns now)
{
	e->failures++;
	e->refusals = e->heard ? e->refusals + 1 : 0;
	if (e->refusals == REFUSALS)
		inlay_conn_fail(c, INLAY_QUIC_NO_VIABLE_PATH, 0, "1200 bytes do not pass", now);
	else
		validate(c, e, now);
}

/* Nobody answered there in time. */
static void on_failed(struct inlay_conn *c, struct inlay_path_entry *e, inlay_ns now)
{
	struct inlay_path path = e->path;

	inlay_path_stop_validating(e);
	e->silent = true;
	if (e == inlay_paths_current(&c->paths)) {
		if (e->validated && inlay_paths_fallback(&c->paths)->silent)
			persist(c, e, now);
		else if (e != inlay_paths_fallback(&c->paths))
			go_back(c, e, now);
	} else if (e->moving) {
		drop(c, e);
		c->stats.migrations_failed++;
		if (c->ops->on_migrated)
			c->ops->on_migrated(c->user, &path, false);
	} else if (!e->validated || !e->fits) {
		drop(c, e);
	}
}

/* Ours, and it works. */
static void arrive(struct inlay_conn *c, struct inlay_path_entry *e, inlay_ns now)
{
	e->moving = false;
	use(c, e, now);
	measure(c, e);
	settle(c, now);
	/* The server follows what is more than a probe. */
	c->ping_due = true;
	c->stats.migrations++;
	if (c->ops->on_migrated)
		c->ops->on_migrated(c->user, &e->path, true);
}

static void on_proof(struct inlay_conn *c, struct inlay_path_entry *e, enum inlay_path_proof proof,
		     inlay_ns now)
{
	bool first = !e->validated, current = e == inlay_paths_current(&c->paths);

	e->validated = true;
	e->silent = false;
	c->stats.paths_validated += first;
	if (current)
		measure(c, e);
	if (proof != INLAY_PATH_PROOF_OF_SIZE) {
		/* Section 8.2.1: now that there is no limit, whether 1200 bytes pass. */
		if (first)
			validate(c, e, now);
		return;
	}
	e->fits = true;
	e->failures = e->refusals = 0;
	inlay_path_stop_validating(e);
	inlay_recovery_set_limits(&c->recovery, now);
	if (current)
		settle(c, now);
	else if (e->moving)
		arrive(c, e, now);
}

void inlay_conn_path_answered(struct inlay_conn *c, const __u8 data[8], inlay_ns now)
{
	enum inlay_path_proof proof;
	struct inlay_path_entry *e;

	/* Section 8.2.3: by whichever path the answer came. What answers nothing is ignored. */
	for (e = c->paths.entries; e < c->paths.entries + INLAY_PATHS; e++) {
		proof = e->used ? inlay_path_on_response(e, data) : INLAY_PATH_NO_PROOF;
		if (proof != INLAY_PATH_NO_PROOF && inlay_path_is_validating(e)) {
			on_proof(c, e, proof, now);
			return;
		}
	}
}

/* --- The peer's packets --------------------------------------------------------------------- */

bool inlay_conn_is_known_path(const struct inlay_conn *c, const struct inlay_path *path)
{
	return c->role == INLAY_SERVER ||
	       !memcmp(&path->remote, &inlay_paths_current(&c->paths)->path.remote,
		       sizeof(path->remote));
}

void inlay_conn_path_received(struct inlay_conn *c, const struct inlay_path *path, size_t len)
{
	struct inlay_path_entry *e = inlay_paths_find(&c->paths, path);

	if (!e)
		return;
	e->received += len;
	e->heard = true;
}

void inlay_conn_path_challenged(struct inlay_conn *c, const struct inlay_path *path,
				const __u8 *dcid, size_t len, const __u8 data[8], inlay_ns now)
{
	struct inlay_path_entry *e = entry_for(c, path, dcid, len);

	if (!e)
		return;
	inlay_path_owe(e, &path->local, data);
	/* Section 9.3.3: who forwarded the challenge from elsewhere gets no more than that. */
	e->nudge = e == inlay_paths_current(&c->paths);
	/* Who asks may move there soon: then it is validated already. */
	if (!e->validated && !inlay_path_is_validating(e))
		validate(c, e, now);
}

/* The peer has moved to |e|, as it seems. */
static void move(struct inlay_conn *c, struct inlay_path_entry *e, inlay_ns now)
{
	struct inlay_path_entry *before = inlay_paths_current(&c->paths);
	bool back = e == inlay_paths_fallback(&c->paths);

	/* What validated last is where to go back to. */
	if (before->validated && before->fits)
		c->paths.fallback = c->paths.current;
	use(c, e, now);
	c->stats.peer_moves++;
	if (!before->validated) {
		drop(c, before);
		c->stats.moves_undone += back;
	}
	if (e->validated)
		measure(c, e);
	if (e->validated && e->fits) {
		inlay_path_stop_validating(e);
		settle(c, now);
	} else if (!inlay_path_is_validating(e)) {
		validate(c, e, now);
	}
	/* Section 9.3.3: a peer that is still where it was answers from there, and is followed. */
	if (!back && before->used)
		validate(c, before, now);
}

void inlay_conn_path_follow(struct inlay_conn *c, const struct inlay_path *path, const __u8 *dcid,
			    size_t len, inlay_ns now)
{
	struct inlay_path_entry *e;

	if (c->role == INLAY_CLIENT)
		return;
	e = entry_for(c, path, dcid, len);
	if (!e)
		return;
	memcpy(e->dcid, dcid, sizeof(e->dcid));
	if (e != inlay_paths_current(&c->paths) && inlay_conn_path_cid(c, e))
		move(c, e, now);
}

/* --- Time ----------------------------------------------------------------------------------- */

void inlay_conn_path_on_timer(struct inlay_conn *c, inlay_ns now)
{
	struct inlay_path_entry *e;

	for (e = c->paths.entries; e < c->paths.entries + INLAY_PATHS; e++) {
		if (!e->used)
			continue;
		if (inlay_path_on_timer(e, now))
			on_failed(c, e, now);
		if (e->used && now >= e->forget_at)
			drop(c, e);
		if (!inlay_conn_is_open(c))
			return;
	}
}

/* --- Our own -------------------------------------------------------------------------------- */

static bool may_migrate(const struct inlay_conn *c)
{
	/* Sections 9 and 9.1; and who has no CID of its own cannot tell that we are the same. */
	return c->role == INLAY_CLIENT && c->confirmed && !c->peer.disable_active_migration &&
	       inlay_cids_peer(&c->cids)->len > 0;
}

int inlay_conn_migrate(struct inlay_conn *c, const struct inlay_path *path, inlay_ns now)
{
	const struct inlay_path_entry *current = inlay_paths_current(&c->paths);
	struct inlay_path_entry *e;
	__u64 sequence;

	if (!inlay_conn_is_open(c))
		return -ENOTCONN;
	if (!may_migrate(c))
		return -EPERM;
	if (memcmp(&path->remote, &current->path.remote, sizeof(path->remote)) ||
	    !memcmp(&path->local, &current->path.local, sizeof(path->local)))
		return -EINVAL;
	if (inlay_cids_take(&c->cids, &sequence))
		return -EAGAIN;
	for (e = c->paths.entries; e < c->paths.entries + INLAY_PATHS; e++)
		if (e->used &&
		    (e->moving || !memcmp(&e->path.local, &path->local, sizeof(path->local))))
			drop(c, e);
	e = inlay_paths_spare(&c->paths);
	if (e->used)
		drop(c, e);
	inlay_paths_fill(&c->paths, e, path, current->dcid, sequence);
	e->moving = true;
	tell_probe(c, e, true);
	validate(c, e, now);
	return 0;
}

int inlay_conn_rotate_cid(struct inlay_conn *c)
{
	int err;

	if (!inlay_conn_is_open(c))
		return -ENOTCONN;
	err = inlay_cids_rotate(&c->cids);
	if (!err)
		inlay_conn_write_headers(c);
	return err;
}

int inlay_conn_renew_cids(struct inlay_conn *c)
{
	return inlay_conn_is_open(c) ? inlay_cids_renew(&c->cids) : -ENOTCONN;
}

/* --- Packets out ---------------------------------------------------------------------------- */

static bool put(struct inlay_build *b, enum inlay_quic_frame_type type, const __u8 data[8])
{
	struct inlay_writer mark = b->w;

	return inlay_build_put(b, inlay_quic_put_path(&b->w, type, data), mark, (__u8)type, 0, 0);
}

/* Answers that are owed to one address of ours. Returns how many. */
static __u32 put_answers(struct inlay_build *b, const struct inlay_addr *local)
{
	struct inlay_path_entry *e = b->path;
	__u32 i, n = 0;

	for (i = 0; i < e->n_answers && !memcmp(&e->answers[i].local, local, sizeof(*local)); i++)
		n += put(b, INLAY_QUIC_PATH_RESPONSE, e->answers[i].data);
	return n;
}

static void put_nudge(struct inlay_build *b)
{
	struct inlay_writer mark = b->w;

	if (b->path->nudge &&
	    inlay_build_put(b, inlay_quic_put_ping(&b->w), mark, INLAY_QUIC_PING, 0, 0))
		b->path->nudge = false;
}

/* Section 8.2.1: filled up to 1200 bytes, as far as the limit lets it. */
static bool fill_up(struct inlay_build *b, size_t size)
{
	size_t len = inlay_writer_len(&b->w) + INLAY_TAG;
	size_t most = size < INLAY_PATH_MIN_SIZE ? size : INLAY_PATH_MIN_SIZE;

	if (len < most)
		inlay_quic_put_padding(&b->w, most - len);
	b->padded = true;
	return most == INLAY_PATH_MIN_SIZE;
}

static size_t send_on(struct inlay_conn *c, struct inlay_path_entry *e, __u8 *dst, size_t size,
		      struct inlay_path *ret_path, inlay_ns now)
{
	struct inlay_path path = e->path;
	__u8 data[8];
	struct inlay_build b;
	bool asks = false, full;
	__u32 answers = 0;
	size_t len;

	if (!inlay_build_begin(&b, c, e, dst, size, now) || inlay_writer_left(&b.w) < LEAST_PACKET)
		return 0;
	b.unmarked = true;
	if (e->n_answers > 0) {
		path.local = e->answers[0].local;
		answers = put_answers(&b, &path.local);
		put_nudge(&b);
	}
	if (e->due > 0 && !memcmp(&path.local, &e->path.local, sizeof(path.local))) {
		inlay_conn_random(c, data, sizeof(data));
		asks = put(&b, INLAY_QUIC_PATH_CHALLENGE, data);
	}
	if (b.n_frames == 0)
		return 0;
	full = fill_up(&b, size);
	inlay_fetch_add_u64(&c->entry->bytes_sent, size);
	len = inlay_build_finish(&b);
	inlay_fetch_add_u64(&c->entry->bytes_sent, len - size);
	if (len == 0)
		return 0;
	e->n_answers -= answers;
	memmove(e->answers, e->answers + answers, sizeof(*e->answers) * e->n_answers);
	if (asks)
		inlay_path_on_challenge_sent(e, data, full, now);
	*ret_path = path;
	return len;
}

size_t inlay_conn_path_send(struct inlay_conn *c, __u8 *dst, size_t room,
			    struct inlay_path *ret_path, inlay_ns now)
{
	struct inlay_path_entry *e;
	size_t len;

	for (e = c->paths.entries; e < c->paths.entries + INLAY_PATHS; e++) {
		if (!e->used || (e->n_answers == 0 && e->due == 0))
			continue;
		if (!inlay_sentlog_may_take(&c->log, true))
			return 0;
		len = send_on(c, e, dst, inlay_path_datagram(e, room), ret_path, now);
		if (len > 0)
			return len;
	}
	return 0;
}
