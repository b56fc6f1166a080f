/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions of MoQ: two of them with each other, and one against bytes written by hand from the
 * draft. Each violation closes the session with its code; what is no violation does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "moq_link.h"
#include "request_ids.h"

struct side {
	struct inlay_moq_session *s;
	struct link *link;
	bool closed;
	struct inlay_moq_closed why;
	int setups, subscribes, publishes, updates, oks, namespaces, goaways, ends;
	struct inlay_moq_request *request; /* the last that arrived */
	struct inlay_moq_request *own;	   /* the last that we made */
	enum inlay_moq_end end;
	__u64 end_code;
	int subgroups, objects, subgroup_ends, datagrams, outgoing_ends;
	__u64 payload;
	enum inlay_moq_end subgroup_end, outgoing_end;
	__u64 subgroup_code;
};

static void on_setup(void *user, const struct inlay_moq_setup *setup)
{
	((struct side *)user)->setups++;
}

static void on_goaway(void *user, const struct inlay_moq_goaway *goaway)
{
	((struct side *)user)->goaways++;
}

static void on_closed(void *user, const struct inlay_moq_closed *why)
{
	struct side *side = user;

	assert_false(side->closed);
	side->closed = true;
	side->why = *why;
}

static void on_subscribe(void *user, struct inlay_moq_request *req,
			 const struct inlay_moq_subscribe *m)
{
	struct side *side = user;

	side->subscribes++;
	side->request = req;
}

static void on_publish(void *user, struct inlay_moq_request *req, const struct inlay_moq_publish *m)
{
	struct side *side = user;

	side->publishes++;
	side->request = req;
	assert_int_equal(inlay_moq_request_ok(req, NULL, NULL), 0);
}

static void on_namespace_request(void *user, struct inlay_moq_request *req,
				 const struct inlay_moq_namespace_request *m)
{
	((struct side *)user)->request = req;
}

static void on_update(void *user, struct inlay_moq_request *req,
		      const struct inlay_moq_params *params)
{
	((struct side *)user)->updates++;
}

static void on_subscribe_ok(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe_ok *m)
{
	((struct side *)user)->oks++;
}

static void on_request_ok(void *user, struct inlay_moq_request *req,
			  const struct inlay_moq_request_ok *m)
{
	((struct side *)user)->oks++;
}

static void on_namespace(void *user, struct inlay_moq_request *req,
			 const struct inlay_moq_namespace *suffix, bool done)
{
	((struct side *)user)->namespaces += done ? -1 : 1;
}

static void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			   __u64 code, const struct inlay_moq_request_error *error)
{
	struct side *side = user;

	side->ends++;
	side->end = end;
	side->end_code = code;
}

static void on_subgroup(void *user, struct inlay_moq_request *req, struct inlay_moq_incoming *in,
			const struct inlay_moq_subgroup *header)
{
	((struct side *)user)->subgroups++;
}

static void on_object(void *user, struct inlay_moq_incoming *in,
		      const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	((struct side *)user)->objects++;
}

static void on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
		       bool end)
{
	((struct side *)user)->payload += len;
}

static void on_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
			    __u64 code)
{
	struct side *side = user;

	side->subgroup_ends++;
	side->subgroup_end = end;
	side->subgroup_code = code;
}

static void on_datagram(void *user, struct inlay_moq_request *req,
			const struct inlay_moq_datagram *object)
{
	((struct side *)user)->datagrams++;
}

static void on_outgoing_end(void *user, struct inlay_moq_outgoing *out, enum inlay_moq_end end,
			    __u64 code)
{
	struct side *side = user;

	side->outgoing_ends++;
	side->outgoing_end = end;
}

static const struct inlay_moq_session_ops ops = {
	.on_setup = on_setup,
	.on_goaway = on_goaway,
	.on_closed = on_closed,
	.on_subscribe = on_subscribe,
	.on_track_status = on_subscribe,
	.on_publish = on_publish,
	.on_publish_namespace = on_namespace_request,
	.on_subscribe_namespace = on_namespace_request,
	.on_update = on_update,
	.on_subscribe_ok = on_subscribe_ok,
	.on_request_ok = on_request_ok,
	.on_namespace = on_namespace,
	.on_request_end = on_request_end,
	.on_subgroup = on_subgroup,
	.on_object = on_object,
	.on_payload = on_payload,
	.on_subgroup_end = on_subgroup_end,
	.on_datagram = on_datagram,
	.on_outgoing_end = on_outgoing_end,
};

struct pair {
	struct link *link;
	struct side side[2]; /* client, server */
};

/* |started|: set of ends whose sessions are. The other end speaks by hand. */
static struct pair *pair_new(const struct inlay_moq_session_config *bounds, int started)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct inlay_moq_session_config config = {0};

	p->link = link_new(7);
	p->link->now = 50 * INLAY_S;
	for (int e = 0; e < 2; e++) {
		if (bounds != NULL)
			config = *bounds;
		config.ops = &ops;
		config.user = &p->side[e];
		config.transport = link_transport(p->link, e);
		p->side[e].link = p->link;
		p->side[e].s = p->link->ends[e].session = inlay_moq_session_new(&config);
		if (started & 1 << e)
			assert_int_equal(inlay_moq_session_start(p->side[e].s, p->link->now), 0);
	}
	link_run(p->link);
	return p;
}

static void pair_free(struct pair *p)
{
	for (int e = 0; e < 2; e++)
		inlay_moq_session_free(p->side[e].s);
	link_free(p->link);
	free(p);
}

static void pass_time(struct pair *p, inlay_ns duration)
{
	p->link->now += duration;
	for (int e = 0; e < 2; e++)
		inlay_moq_session_on_timer(p->side[e].s, p->link->now);
	link_run(p->link);
}

/* --- violations ------------------------------------------------------------------------------ */

/* "af 00 00 00": hex digits, spaces between them do not matter. */
static size_t unhex(const char *hex, __u8 *dst)
{
	size_t n = 0;
	int high = -1;

	for (; *hex != '\0'; hex++) {
		int digit = *hex >= 'a' ? *hex - 'a' + 10 : *hex - '0';

		if (*hex == ' ')
			continue;
		if (high < 0) {
			high = digit;
		} else {
			dst[n++] = (__u8)(high << 4 | digit);
			high = -1;
		}
	}
	assert_int_equal(high, -1);
	return n;
}

/* A stream's bytes, by hand: u or b: unidirectional, bidirectional; a capital letter: with FIN;
 * '+': more bytes on the last stream of the same kind; d: a datagram. */
static void speak(struct pair *p, int end, char how, const char *hex)
{
	__u8 data[4096];
	size_t len = unhex(hex, data);
	bool bidi = how == 'b' || how == 'B';
	__u64 id = 0;

	if (how == 'd') {
		inlay_moq_session_on_datagram(p->side[!end].s, data, len, p->link->now);
		return;
	}
	assert_int_equal(link_open(&p->link->ends[end], bidi, 0, NULL, NULL, &id), 0);
	assert_int_equal(link_write(&p->link->ends[end], id, data, len, how == 'B' || how == 'U'),
			 0);
	link_run(p->link);
}

#define SETUP	  "af00 0000"
#define SUBSCRIBE "03 0007 00 0101 61 0174 00"
/* Request 0, alias 5. */
#define PUBLISH "1d 0008 00 0101 61 0174 05 00"

static const struct violation {
	const char *name;
	__u64 code;
	bool no_setup; /* the first stream is the control stream */
	struct {
		char how;
		const char *hex;
	} streams[4];
} violations[] = {
	/* Streams. */
	{"unknown stream type", 0x3, false, {{'u', "07"}}},
	{"reserved subgroup ID mode", 0x3, false, {{'u', "16"}}},
	{"second control stream", 0x3, false, {{'u', SETUP}}},
	{"header cut by FIN", 0x3, false, {{'U', "10 05"}}},
	{"control stream ends", 0x3, true, {{'U', SETUP}}},
	{"SETUP twice", 0x3, true, {{'u', SETUP SETUP}}},
	{"request on the control stream", 0x3, true, {{'u', SETUP SUBSCRIBE}}},
	{"request stream begins with an answer", 0x3, false, {{'b', "04 0003 00 00 00"}}},
	{"request stream begins with the unknown", 0x3, false, {{'b', "3f 0000"}}},
	{"request cut by FIN", 0x3, false, {{'B', "03 0007 00 01"}}},
	{"datagram of an unknown type", 0x3, false, {{'d', "10 00"}}},
	{"datagram: status and end of group", 0x3, false, {{'d', "22 00"}}},
	{"datagram: no properties where the bit says so", 0x3, false, {{'d', "01 00 00 00 01 00"}}},
	/* Setup options: section 10.3.1. Path is 1, authority 5. */
	{"malformed path", 0x9, true, {{'u', "af00 0004 01 02 78 79"}}},
	{"malformed authority", 0x1a, true, {{'u', "af00 0004 05 02 2f 2f"}}},
	{"token used before there is one", 0x3, true, {{'u', "af00 0004 03 02 02 01"}}},
	/* Requests. */
	{"request ID of ours", 0x4, false, {{'b', "03 0007 01 0101 61 0174 00"}}},
	{"request ID twice", 0x4, false, {{'b', SUBSCRIBE}, {'b', SUBSCRIBE}}},
	{"request ID of an update twice", 0x4, false, {{'b', SUBSCRIBE "02 0002 00 00"}}},
	{"message longer than its fields", 0x3, false, {{'b', "03 0008 00 0101 61 0174 00 00"}}},
	{"message shorter than its fields", 0x3, false, {{'b', "03 0006 00 0101 61 0174"}}},
	{"empty namespace field", 0x3, false, {{'b', "03 0006 00 0100 0174 00"}}},
	{"unknown parameter", 0x3, false, {{'b', "03 0009 00 0101 61 0174 01 7f 00"}}},
	{"parameter of another message", 0x3, false, {{'b', "03 0009 00 0101 61 0174 01 08 00"}}},
	{"FORWARD of 2", 0x3, false, {{'b', "03 0009 00 0101 61 0174 01 10 02"}}},
	{"GROUP_ORDER of 0", 0x3, false, {{'b', "03 0009 00 0101 61 0174 01 22 00"}}},
	{"unknown filter", 0x3, false, {{'b', "03 000a 00 0101 61 0174 01 21 01 05"}}},
	{"fetch type 4", 0x3, false, {{'b', "16 0003 00 04 00"}}},
	{"update of TRACK_STATUS", 0x3, false, {{'b', "0d 0007 00 0101 61 0174 00 02 0002 02 00"}}},
	{"answer without a question", 0x3, false, {{'b', SUBSCRIBE "07 0001 00"}}},
	{"PUBLISH_DONE of a subscriber", 0x3, false, {{'b', SUBSCRIBE "0b 0003 00 00 00"}}},
	{"second request on a stream", 0x3, false, {{'b', SUBSCRIBE "03 0007 02 0101 61 0174 00"}}},
	/* Tokens: section 10.2.2. */
	{"token registered", 0x13, false, {{'b', "03 000d 00 0101 61 0174 01 03 04 01 07 00 aa"}}},
	{"unknown token alias", 0x17, false, {{'b', "03 000b 00 0101 61 0174 01 03 02 02 07"}}},
	{"token without its type", 0x6, false, {{'b', "03 000a 00 0101 61 0174 01 03 01 03"}}},
	/* GOAWAY. */
	{"GOAWAY twice", 0x3, true, {{'u', SETUP "10 0003 00 00 01 10 0003 00 00 01"}}},
	{"GOAWAY of a client with a URI", 0x3, true, {{'u', SETUP "10 0004 01 61 00 01"}}},
	{"GOAWAY names a request of its own", 0x4, true, {{'u', SETUP "10 0003 00 00 00"}}},
	{"GOAWAY twice for a request",
	 0x3,
	 false,
	 {{'b', SUBSCRIBE "10 0002 00 00 10 0002 00 00"}}},
	/* Tracks and objects. */
	{"alias in use", 0x5, false, {{'b', PUBLISH}, {'b', "1d 0008 02 0101 61 0175 05 00"}}},
	{"object of an unknown status", 0x3, false, {{'b', PUBLISH}, {'u', "30 05 00 00 00 07"}}},
	{"object cut by FIN", 0x3, false, {{'b', PUBLISH}, {'U', "30 05 00 00 04 61"}}},
	{"object header cut by FIN", 0x3, false, {{'b', PUBLISH}, {'U', "30 05 00 00"}}},
	{"object behind the end of group",
	 0x3,
	 false,
	 {{'b', PUBLISH}, {'u', "30 05 00 00 00 03 00 01 61"}}},
	{"object ID beyond 64 bits",
	 0x3,
	 false,
	 {{'b', PUBLISH}, {'u', "30 05 00 ffffffffffffffffff 01 61 00 01 61"}}},
	{"properties on an end of group",
	 0x3,
	 false,
	 {{'b', PUBLISH}, {'u', "31 05 00 00 02 38 01 00 03"}}},
};

static void each_violation_has_its_code(void **state)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(violations); i++) {
		const struct violation *v = &violations[i];
		struct pair *p = pair_new(NULL, 1 << 1);

		if (!v->no_setup)
			speak(p, 0, 'u', SETUP);
		for (size_t k = 0; k < INLAY_ARRAY_SIZE(v->streams) && v->streams[k].hex; k++) {
			if (p->side[1].closed)
				fail_msg("%s: closed too early", v->name);
			speak(p, 0, v->streams[k].how, v->streams[k].hex);
		}
		if (!p->side[1].closed)
			fail_msg("%s: not closed", v->name);
		if (p->side[1].why.code != v->code || p->side[1].why.by_peer)
			fail_msg("%s: closed with 0x%llx", v->name, p->side[1].why.code);
		pair_free(p);
	}
}

/* What a server may not send: the client closes. */
static const struct violation client_violations[] = {
	{"path of a server", 0x8, true, {{'u', "af00 0003 01 01 2f"}}},
	{"authority of a server", 0x19, true, {{'u', "af00 0003 05 01 61"}}},
	{"odd request ID expected", 0x4, false, {{'b', SUBSCRIBE}}},
};

static void clients_refuse_as_well(void **state)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(client_violations); i++) {
		const struct violation *v = &client_violations[i];
		struct pair *p = pair_new(NULL, 1 << 0);

		if (!v->no_setup)
			speak(p, 1, 'u', SETUP);
		speak(p, 1, v->streams[0].how, v->streams[0].hex);
		if (!p->side[0].closed || p->side[0].why.code != v->code)
			fail_msg("%s: 0x%llx", v->name, p->side[0].why.code);
		pair_free(p);
	}
}

static struct inlay_moq_subscribe some_track(void)
{
	struct inlay_moq_subscribe m = {0};

	assert_int_equal(inlay_moq_namespace_add(&m.name.ns, "a", 1), 0);
	m.name.track = (struct inlay_moq_bytes){(const __u8 *)"t", 1};
	return m;
}

/* Answers by hand to requests of ours. */
static void wrong_answers(void **state)
{
	static const struct {
		const char *name;
		bool namespace;
		const char *hex;
		__u64 code;
	} answers[] = {
		{"REQUEST_OK to SUBSCRIBE", false, "07 0001 00", 0x3},
		{"SUBSCRIBE_OK twice", false, "04 0002 05 00 04 0002 05 00", 0x3},
		{"answer to no update", false, "04 0002 05 00 07 0001 00", 0x3},
		{"update of a publisher", false, "04 0002 05 00 02 0002 01 00", 0x3},
		{"NAMESPACE before the answer", true, "08 0003 01 01 61", 0x3},
		{"NAMESPACE_DONE before NAMESPACE", true, "07 0001 00 0e 0003 01 01 61", 0x3},
		{"track properties where none belong", true, "07 0003 00 38 01", 0x3},
		{"reason too long", false, "05 0004 00 00 8401", 0x3},
	};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(answers); i++) {
		struct pair *p = pair_new(NULL, 1 << 0);
		struct inlay_moq_subscribe m = some_track();
		struct inlay_moq_namespace_request n = {.ns = m.name.ns};
		__u8 data[64];
		size_t len = unhex(answers[i].hex, data);

		speak(p, 1, 'u', SETUP);
		if (answers[i].namespace)
			assert_int_equal(inlay_moq_session_subscribe_namespace(
						 p->side[0].s, &n, NULL, &p->side[0].own),
					 0);
		else
			assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL,
								     &p->side[0].own),
					 0);
		assert_int_equal(link_write(&p->link->ends[1], 0, data, len, false), 0);
		link_run(p->link);
		if (!p->side[0].closed || p->side[0].why.code != answers[i].code)
			fail_msg("%s: 0x%llx", answers[i].name, p->side[0].why.code);
		assert_int_equal(p->side[0].end, INLAY_MOQ_END_SESSION);
		pair_free(p);
	}
}

static void control_streams_do_not_end(void **state)
{
	struct pair *p = pair_new(NULL, 3);

	assert_int_equal(link_reset(&p->link->ends[0], 2, 0), 0);
	link_run(p->link);
	assert_true(p->side[1].closed);
	assert_int_equal(p->side[1].why.code, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION);
	pair_free(p);
	p = pair_new(NULL, 3);
	assert_int_equal(link_stop(&p->link->ends[0], 3, 0), 0);
	link_run(p->link);
	assert_int_equal(p->side[1].why.code, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION);
	pair_free(p);
}

static void setup_is_awaited(void **state)
{
	struct pair *p = pair_new(NULL, 1 << 1);

	pass_time(p, 9999 * INLAY_MS);
	assert_false(p->side[1].closed);
	pass_time(p, INLAY_MS);
	assert_true(p->side[1].closed);
	assert_int_equal(p->side[1].why.code, INLAY_MOQ_SESSION_CONTROL_MESSAGE_TIMEOUT);
	pair_free(p);
}

static void goaway_times_out(void **state)
{
	struct pair *p = pair_new(NULL, 3);
	struct inlay_moq_subscribe m = some_track();
	struct inlay_moq_request *second;

	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &p->side[0].own), 0);
	link_run(p->link);
	assert_int_equal(inlay_moq_session_goaway(p->side[1].s, "moqt://b/", INLAY_S), 0);
	assert_int_equal(inlay_moq_session_goaway(p->side[1].s, "", 0), -EALREADY);
	link_run(p->link);
	assert_int_equal(p->side[0].goaways, 1);
	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &second), -ESHUTDOWN);
	speak(p, 0, 'b', "03 0007 02 0101 61 0175 00"); /* by hand: refused */
	assert_int_equal(p->side[1].subscribes, 1);
	pass_time(p, INLAY_S);
	assert_int_equal(p->side[1].why.code, INLAY_MOQ_SESSION_GOAWAY_TIMEOUT);
	assert_true(p->side[0].why.by_peer);
	pair_free(p);
}

/* --- what is no violation -------------------------------------------------------------------- */

static __u64 refusal_of(const char *hex)
{
	struct pair *p = pair_new(NULL, 1 << 1);
	struct link_half *answer;
	struct inlay_cursor c, payload;
	__u64 type, code = 0, id = 0;
	__u8 data[256];
	size_t len = unhex(hex, data);

	speak(p, 0, 'u', SETUP);
	/* Not by way of the link, which would carry the answer off. */
	assert_int_equal(link_open(&p->link->ends[0], true, 0, NULL, NULL, &id), 0);
	inlay_moq_session_on_stream_data(p->side[1].s, id, data, len, false, p->link->now);
	assert_false(p->side[1].closed);
	answer = &link_find(p->link, id)->half[1];
	c = inlay_cursor_of(answer->buffer, answer->len);
	assert_int_equal(inlay_moq18_message_frame(&c, &type, &payload), INLAY_MOQ_OK);
	assert_int_equal(type, INLAY_MOQ_MSG_REQUEST_ERROR);
	assert_true(inlay_vi64_get(&payload, &code));
	assert_true(answer->fin);
	pair_free(p);
	return code;
}

static void refusals(void **state)
{
	assert_int_equal(refusal_of("16 0005 00 02 00 00 00"), INLAY_MOQ_REQUEST_NOT_SUPPORTED);
	assert_int_equal(refusal_of("51 0003 00 00 00"), INLAY_MOQ_REQUEST_NOT_SUPPORTED);
	/* ".": nobody's; ".session": none of ours is defined (section 3.2). */
	assert_int_equal(refusal_of("03 0007 00 0101 2e 0174 00"),
			 INLAY_MOQ_REQUEST_DOES_NOT_EXIST);
	assert_int_equal(refusal_of("03 000e 00 0108 2e73657373696f6e 0174 00"),
			 INLAY_MOQ_REQUEST_DOES_NOT_EXIST);
}

static void too_many_requests(void **state)
{
	struct inlay_moq_session_config bounds = {.max_requests = 2};
	struct pair *p = pair_new(&bounds, 3);
	struct inlay_moq_subscribe m = some_track();

	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &p->side[0].own), 0);
		link_run(p->link);
	}
	assert_int_equal(p->side[1].subscribes, 2);
	assert_int_equal(p->side[0].ends, 1);
	assert_int_equal(p->side[0].end, INLAY_MOQ_END_ERROR);
	assert_int_equal(p->side[0].end_code, INLAY_MOQ_REQUEST_EXCESSIVE_LOAD);
	pair_free(p);
}

static void padding_is_discarded(void **state)
{
	struct pair *p = pair_new(NULL, 1 << 1);

	speak(p, 0, 'u', SETUP);
	speak(p, 0, 'U', "f0132b3e28 0000000000000000"); /* any length of the integer */
	speak(p, 0, 'd', "f0132b3e29 000000");
	assert_false(p->side[1].closed);
	assert_int_equal(p->side[1].subgroups + p->side[1].datagrams, 0);
	pair_free(p);
}

static void everything_may_overtake_setup(void **state)
{
	struct pair *p = pair_new(NULL, 1 << 1);

	speak(p, 0, 'U', "30 05 00 00 01 61");
	speak(p, 0, 'b', PUBLISH);
	assert_int_equal(p->side[1].publishes, 0);
	speak(p, 0, 'u', SETUP);
	assert_int_equal(p->side[1].setups, 1);
	assert_int_equal(p->side[1].publishes, 1);
	assert_int_equal(p->side[1].objects, 1);
	assert_int_equal(p->side[1].payload, 1);
	assert_int_equal(p->side[1].subgroup_end, INLAY_MOQ_END_DONE);
	pair_free(p);
}

static void unknown_alias_waits_and_is_stopped(void **state)
{
	struct inlay_moq_session_config bounds = {.max_pending_bytes = 1000};
	struct pair *p = pair_new(&bounds, 1 << 1);
	__u8 big[2000] = {0x30, 0x07, 0x00, 0x00, 0x87, 0xc0};
	__u64 id = 0;

	speak(p, 0, 'u', SETUP);
	speak(p, 0, 'u', "30 05 00 00 01 61");
	pass_time(p, INLAY_S);
	speak(p, 0, 'b', PUBLISH); /* just in time */
	assert_int_equal(p->side[1].objects, 1);
	speak(p, 0, 'u', "30 06 00 00 01 61");
	assert_false(link_find(p->link, 3 << 2 | 2)->half[0].stop);
	pass_time(p, 2 * INLAY_S);
	assert_true(link_find(p->link, 2 << 2 | 2)->half[0].stop);
	assert_int_equal(p->side[1].objects, 1);
	/* And no more than max_pending_bytes of it. */
	assert_int_equal(link_open(&p->link->ends[0], false, 0, NULL, NULL, &id), 0);
	assert_int_equal(link_write(&p->link->ends[0], id, big, sizeof(big), false), 0);
	link_run(p->link);
	assert_true(link_find(p->link, id)->half[0].stop);
	assert_false(p->side[1].closed);
	pair_free(p);
}

static void early_datagram_waits_for_its_alias(void **state)
{
	struct inlay_moq_session_config bounds = {.max_pending_bytes = 1000};
	struct pair *p = pair_new(&bounds, 1 << 1);
	int i;

	speak(p, 0, 'u', SETUP);
	speak(p, 0, 'd', "00 05 01 02 80 78");
	speak(p, 0, 'd', "00 06 01 02 80 78");
	assert_int_equal(p->side[1].datagrams, 0);
	pass_time(p, INLAY_S);
	speak(p, 0, 'b', PUBLISH); /* alias 5, just in time */
	assert_int_equal(p->side[1].datagrams, 1);
	/* The other one's time ends, and its room is free again; more than there is room for is
	 * lost. */
	pass_time(p, 2 * INLAY_S);
	for (i = 0; i < 1000; i++)
		speak(p, 0, 'd', "00 07 01 02 80 78");
	pass_time(p, 3 * INLAY_S);
	speak(p, 0, 'd', "00 05 01 03 80 78");
	assert_int_equal(p->side[1].datagrams, 2);
	assert_false(p->side[1].closed);
	pair_free(p);
}

static void object_header_is_bounded(void **state)
{
	struct inlay_moq_session_config bounds = {.max_object_header = 100};
	struct pair *p = pair_new(&bounds, 1 << 1);
	__u8 big[300] = {0x31, 0x05, 0x00, 0x00, 0x80, 0xc8}; /* 200 bytes of properties */
	__u64 id = 0;

	speak(p, 0, 'u', SETUP);
	speak(p, 0, 'b', PUBLISH);
	assert_int_equal(link_open(&p->link->ends[0], false, 0, NULL, NULL, &id), 0);
	assert_int_equal(link_write(&p->link->ends[0], id, big, 120, false), 0);
	link_run(p->link);
	assert_int_equal(p->side[1].subgroup_end, INLAY_MOQ_END_LOCAL);
	assert_int_equal(p->side[1].subgroup_code, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
	assert_false(p->side[1].closed);
	pair_free(p);
}

/* A mandatory property on an object: the track's end, not the session's (section 2.5.1). */
static void malformed_track(void **state)
{
	struct pair *p = pair_new(NULL, 1 << 1);

	speak(p, 0, 'u', SETUP);
	speak(p, 0, 'b', PUBLISH);
	speak(p, 0, 'u', "31 05 00 00 04 c0400001 01 61");
	assert_false(p->side[1].closed);
	assert_int_equal(p->side[1].objects, 0);
	assert_int_equal(p->side[1].end, INLAY_MOQ_END_LOCAL);
	assert_int_equal(p->side[1].end_code, INLAY_MOQ_RESET_MALFORMED_TRACK);
	pair_free(p);
}

/* --- two sessions ---------------------------------------------------------------------------- */

static void publish_object(struct pair *p, struct inlay_moq_request *req, __u64 group)
{
	struct inlay_moq_subgroup h = {
		.group = group, .has_properties = true, .first_object = true};
	struct inlay_moq_object o = {.id = 3, .payload_len = 4};
	struct inlay_moq_outgoing *out;

	assert_int_equal(inlay_moq_outgoing_open(req, &h, 1ULL << 63, NULL, &out), 0);
	assert_int_equal(inlay_moq_outgoing_object(out, &o), 0);
	assert_int_equal(inlay_moq_outgoing_finish(out), -EINVAL);
	assert_int_equal(inlay_moq_outgoing_payload(out, (const __u8 *)"abcde", 5), -EINVAL);
	assert_int_equal(inlay_moq_outgoing_payload(out, (const __u8 *)"abcd", 4), 0);
	assert_int_equal(inlay_moq_outgoing_object(out, &o), -EINVAL); /* not ascending */
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
}

static void subscription_from_end_to_end(void **state)
{
	struct pair *p = pair_new(NULL, 3);
	struct inlay_moq_subscribe m = some_track();
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_FORWARD, .forward = true};

	assert_int_equal(p->side[0].setups, 1);
	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &p->side[0].own), 0);
	link_run(p->link);
	assert_int_equal(p->side[1].subscribes, 1);
	assert_int_equal(inlay_moq_request_ok(p->side[1].request, NULL, NULL), -EINVAL);
	assert_int_equal(inlay_moq_request_subscribe_ok(p->side[1].request, NULL, NULL), 0);
	assert_int_equal(inlay_moq_request_subscribe_ok(p->side[1].request, NULL, NULL), -EINVAL);
	publish_object(p, p->side[1].request, 0);
	publish_object(p, p->side[1].request, 1);
	link_run(p->link);
	assert_int_equal(p->side[0].oks, 1);
	assert_int_equal(p->side[0].objects, 2);
	assert_int_equal(p->side[0].payload, 8);
	assert_int_equal(p->side[0].subgroup_ends, 2);
	assert_int_equal(p->side[1].outgoing_ends, 2);
	assert_int_equal(p->side[1].outgoing_end, INLAY_MOQ_END_DONE);
	assert_int_equal(inlay_moq_request_update(p->side[0].own, &params), 0);
	link_run(p->link);
	assert_int_equal(p->side[1].updates, 1);
	assert_int_equal(inlay_moq_request_update_ok(p->side[1].request, NULL), 0);
	assert_int_equal(inlay_moq_request_update_ok(p->side[1].request, NULL), -EINVAL);
	publish_object(p, p->side[1].request, 2);
	assert_int_equal(inlay_moq_request_publish_done(p->side[1].request,
							INLAY_MOQ_DONE_TRACK_ENDED, "over"),
			 0);
	link_run(p->link);
	assert_int_equal(p->side[0].objects, 3);
	assert_int_equal(p->side[0].ends, 1);
	assert_int_equal(p->side[0].end, INLAY_MOQ_END_DONE);
	assert_int_equal(p->side[1].ends, 0);
	pair_free(p);
}

/* PUBLISH_DONE counts a stream that never comes: the subscription ends by its timer. */
static void publish_done_waits_for_streams(void **state)
{
	struct pair *p = pair_new(NULL, 1 << 1);

	speak(p, 0, 'u', SETUP);
	speak(p, 0, 'b', PUBLISH "0b 0003 02 02 00");
	speak(p, 0, 'U', "30 05 00 00 01 61");
	assert_int_equal(p->side[1].objects, 1);
	assert_int_equal(p->side[1].ends, 0);
	pass_time(p, 4999 * INLAY_MS);
	assert_int_equal(p->side[1].ends, 0);
	pass_time(p, INLAY_MS);
	assert_int_equal(p->side[1].ends, 1);
	assert_int_equal(p->side[1].end, INLAY_MOQ_END_DONE);
	pair_free(p);
}

static void cancelling_stops_everything(void **state)
{
	struct pair *p = pair_new(NULL, 3);
	struct inlay_moq_subscribe m = some_track();
	struct inlay_moq_subgroup h = {0};
	struct inlay_moq_outgoing *out;

	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &p->side[0].own), 0);
	link_run(p->link);
	assert_int_equal(inlay_moq_request_subscribe_ok(p->side[1].request, NULL, NULL), 0);
	assert_int_equal(inlay_moq_outgoing_open(p->side[1].request, &h, 1ULL << 63, NULL, &out),
			 0);
	link_run(p->link);
	assert_int_equal(p->side[0].subgroups, 1);
	inlay_moq_request_cancel(p->side[0].own, INLAY_MOQ_RESET_CANCELLED);
	assert_int_equal(p->side[0].subgroup_end, INLAY_MOQ_END_LOCAL);
	assert_int_equal(p->side[0].ends, 0);
	link_run(p->link);
	assert_int_equal(p->side[1].end, INLAY_MOQ_END_CANCELLED);
	assert_int_equal(p->side[1].end_code, INLAY_MOQ_RESET_CANCELLED);
	assert_int_equal(p->side[1].outgoing_ends, 1);
	assert_false(p->side[0].closed || p->side[1].closed);
	/* Late streams of it are stopped at once. */
	speak(p, 1, 'u', "30 00 01 00 01 61");
	assert_int_equal(p->side[0].subgroups, 1);
	assert_true(link_find(p->link, 2 << 2 | 3)->half[1].stop);
	pair_free(p);
}

static void requests_wait_for_streams(void **state)
{
	struct pair *p = pair_new(NULL, 3);
	struct inlay_moq_subscribe m = some_track();
	struct inlay_moq_request *a, *b, *c;

	p->link->ends[0].limit[0] = 1;
	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &a), 0);
	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &b), 0);
	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &c), 0);
	link_run(p->link);
	assert_int_equal(p->side[1].subscribes, 1);
	inlay_moq_request_cancel(b, 0);
	link_set_limit(p->link, 0, true, 10);
	link_run(p->link);
	assert_int_equal(p->side[1].subscribes, 2);
	assert_false(p->side[1].closed);
	pair_free(p);
}

static void datagrams_find_their_track(void **state)
{
	struct pair *p = pair_new(NULL, 3);
	struct inlay_moq_subscribe m = some_track();
	struct inlay_moq_datagram d = {.group = 1, .object = 2, .payload = {(const __u8 *)"x", 1}};
	static const __u8 big[1300];

	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &p->side[0].own), 0);
	link_run(p->link);
	assert_int_equal(inlay_moq_request_datagram(p->side[1].request, &d, NULL), -EINVAL);
	assert_int_equal(inlay_moq_request_subscribe_ok(p->side[1].request, NULL, NULL), 0);
	link_run(p->link);
	assert_int_equal(inlay_moq_request_datagram(p->side[1].request, &d, NULL), 0);
	link_run(p->link);
	assert_int_equal(p->side[0].datagrams, 1);
	d.payload = (struct inlay_moq_bytes){big, sizeof(big)};
	assert_int_equal(inlay_moq_request_datagram(p->side[1].request, &d, NULL), -EMSGSIZE);
	speak(p, 1, 'd', "00 09 01 02 80 78"); /* alias 9: nobody's */
	assert_int_equal(p->side[0].datagrams, 1);
	assert_false(p->side[0].closed);
	pair_free(p);
}

static void closing_ends_everything_once(void **state)
{
	struct pair *p = pair_new(NULL, 3);
	struct inlay_moq_subscribe m = some_track();
	struct inlay_moq_subgroup h = {0};
	struct inlay_moq_outgoing *out;

	assert_int_equal(inlay_moq_session_subscribe(p->side[0].s, &m, NULL, &p->side[0].own), 0);
	link_run(p->link);
	assert_int_equal(inlay_moq_request_subscribe_ok(p->side[1].request, NULL, NULL), 0);
	assert_int_equal(inlay_moq_outgoing_open(p->side[1].request, &h, 1ULL << 63, NULL, &out),
			 0);
	link_run(p->link);
	inlay_moq_session_close(p->side[1].s, INLAY_MOQ_SESSION_NO_ERROR, "bye");
	assert_int_equal(p->side[1].ends, 0); /* not from within the call */
	assert_int_equal(inlay_moq_session_deadline(p->side[1].s), p->link->now);
	link_run(p->link);
	for (int e = 0; e < 2; e++) {
		assert_true(p->side[e].closed);
		assert_int_equal(p->side[e].ends, 1);
		assert_int_equal(p->side[e].end, INLAY_MOQ_END_SESSION);
	}
	assert_int_equal(p->side[0].subgroup_end, INLAY_MOQ_END_SESSION);
	assert_int_equal(p->side[1].outgoing_end, INLAY_MOQ_END_SESSION);
	assert_int_equal(inlay_moq_session_deadline(p->side[0].s), INLAY_NEVER);
	pair_free(p);
}

static void request_ids_in_any_order(void **state)
{
	struct inlay_request_ids *ids = calloc(1, sizeof(*ids));

	assert_true(inlay_request_ids_note(ids, 4));
	assert_true(inlay_request_ids_note(ids, 0));
	assert_false(inlay_request_ids_note(ids, 4));
	assert_true(inlay_request_ids_note(ids, 2));
	assert_false(inlay_request_ids_note(ids, 2));
	assert_int_equal(ids->below, 3);
	assert_int_equal(ids->count, 0);
	/* 6 never comes; far more than can be remembered do. */
	for (__u64 id = 8; id < 4000; id += 4)
		assert_true(inlay_request_ids_note(ids, id));
	assert_false(inlay_request_ids_note(ids, 3996));
	assert_false(inlay_request_ids_note(ids, 8));
	assert_true(inlay_request_ids_note(ids, 3998));
	assert_true(inlay_request_ids_note(ids, ~0ULL));
	assert_false(inlay_request_ids_note(ids, ~0ULL));
	free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_violation_has_its_code),
		cmocka_unit_test(clients_refuse_as_well),
		cmocka_unit_test(wrong_answers),
		cmocka_unit_test(control_streams_do_not_end),
		cmocka_unit_test(setup_is_awaited),
		cmocka_unit_test(goaway_times_out),
		cmocka_unit_test(refusals),
		cmocka_unit_test(too_many_requests),
		cmocka_unit_test(padding_is_discarded),
		cmocka_unit_test(everything_may_overtake_setup),
		cmocka_unit_test(unknown_alias_waits_and_is_stopped),
		cmocka_unit_test(object_header_is_bounded),
		cmocka_unit_test(malformed_track),
		cmocka_unit_test(subscription_from_end_to_end),
		cmocka_unit_test(publish_done_waits_for_streams),
		cmocka_unit_test(cancelling_stops_everything),
		cmocka_unit_test(requests_wait_for_streams),
		cmocka_unit_test(datagrams_find_their_track),
		cmocka_unit_test(early_datagram_waits_for_its_alias),
		cmocka_unit_test(closing_ends_everything_once),
		cmocka_unit_test(request_ids_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
