/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logs of connections: every record has what the schema demands, the counts agree with the
 * engine's, files are bounded, and nothing secret is in them, in any usual spelling.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qlog.h"
#include "quic_pair.h"
#include "quic_solo.h"

static char directory[64];
static int dirfd_of_logs = -1;

static int set_up(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/inlay-qlog-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	dirfd_of_logs = open(directory, O_DIRECTORY | O_CLOEXEC);
	return dirfd_of_logs >= 0 ? 0 : -1;
}

static void remove_logs(void)
{
	DIR *dir = opendir(directory);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		unlinkat(dirfd_of_logs, e->d_name, 0);
	closedir(dir);
}

static int tear_down(void **state)
{
	remove_logs();
	rmdir(directory);
	close(dirfd_of_logs);
	return 0;
}

/* --- Reading a log ------------------------------------------------------------------------------
 */

struct log {
	char *text;
	size_t len;
	json_t *records; /* without the header */
	json_t *header;
};

static void read_text(struct log *l, const char *name)
{
	int fd = openat(dirfd_of_logs, name, O_RDONLY);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	l->len = (size_t)st.st_size;
	l->text = malloc(l->len + 1);
	assert_int_equal(read(fd, l->text, l->len), l->len);
	l->text[l->len] = '\0';
	close(fd);
}

static struct log read_log(const char *name)
{
	struct log l = {.records = json_array()};
	size_t at = 0;

	read_text(&l, name);
	while (at < l.len) {
		size_t end = at + 1;
		json_t *o;

		assert_int_equal(l.text[at], 0x1e);
		while (end < l.len && l.text[end] != 0x1e)
			end++;
		assert_int_equal(l.text[end - 1], '\n');
		o = json_loadb(l.text + at + 1, end - at - 1, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(o);
		if (!l.header)
			l.header = o;
		else
			json_array_append_new(l.records, o);
		at = end;
	}
	return l;
}

static void free_log(struct log *l)
{
	free(l->text);
	json_decref(l->records);
	json_decref(l->header);
}

static size_t count(const struct log *l, const char *event)
{
	size_t i, n = 0;
	json_t *o;

	json_array_foreach(l->records, i, o) n +=
		!strcmp(json_string_value(json_object_get(o, "name")), event);
	return n;
}

/* How many of |event| have |value| as |member|. */
static size_t count_with(const struct log *l, const char *event, const char *member,
			 const char *value)
{
	size_t i, n = 0;
	json_t *o;

	json_array_foreach(l->records, i, o)
	{
		const char *has =
			json_string_value(json_object_get(json_object_get(o, "data"), member));

		n += !strcmp(json_string_value(json_object_get(o, "name")), event) && has &&
		     !strcmp(has, value);
	}
	return n;
}

static size_t count_frames(const struct log *l, const char *event, const char *type)
{
	size_t i, k, n = 0;
	json_t *o, *f;

	json_array_foreach(l->records, i, o)
	{
		if (strcmp(json_string_value(json_object_get(o, "name")), event))
			continue;
		json_array_foreach(json_object_get(json_object_get(o, "data"), "frames"), k, f) n +=
			!strcmp(json_string_value(json_object_get(f, "frame_type")), type);
	}
	return n;
}

/* --- The schema ----------------------------------------------------------------------------------
 */

/* What a name demands: members with their types: i, s, r (integer or real), o, a, b. */
struct demand {
	const char *name;
	const char *members;
};

static const struct demand events[] = {
	{"quic:parameters_set", ""},
	{"quic:packet_sent", "header:o"},
	{"quic:packet_received", "header:o"},
	{"quic:packet_dropped", ""},
	{"quic:packet_lost", ""},
	{"quic:recovery_metrics_updated", ""},
	{"quic:congestion_state_updated", "new:s"},
	{"quic:ecn_state_updated", "new:s"},
	{"quic:timer_updated", "event_type:s"},
	{"quic:key_updated", "key_type:s"},
	{"quic:tuple_assigned", "tuple_id:s"},
	{"quic:migration_state_updated", "new:s"},
	{"quic:connection_id_updated", "initiator:s"},
	{"quic:mtu_updated", "new:i"},
	{"quic:stream_state_updated", "stream_id:i new:s stream_side:s"},
	{"quic:connection_state_updated", "new:s"},
	{"quic:connection_closed", ""},
	{"loglevel:warning", "message:s"},
};

static const struct demand frames[] = {
	{"padding", ""},
	{"ping", ""},
	{"ack", ""},
	{"reset_stream", "stream_id:i error:s final_size:i"},
	{"reset_stream_at", "stream_id:i error:s final_size:i reliable_size:i"},
	{"stop_sending", "stream_id:i error:s"},
	{"crypto", "offset:i raw:o"},
	{"new_token", "token:o"},
	{"stream", "stream_id:i raw:o"},
	{"max_data", "maximum:i"},
	{"max_stream_data", "stream_id:i maximum:i"},
	{"max_streams", "stream_type:s maximum:i"},
	{"data_blocked", "limit:i"},
	{"stream_data_blocked", "stream_id:i limit:i"},
	{"streams_blocked", "stream_type:s limit:i"},
	{"new_connection_id", "sequence_number:i retire_prior_to:i connection_id:s"},
	{"retire_connection_id", "sequence_number:i"},
	{"path_challenge", ""},
	{"path_response", ""},
	{"connection_close", ""},
	{"handshake_done", ""},
	{"datagram", ""},
	{"ack_frequency", ""},
	{"immediate_ack", ""},
	{"unknown", "frame_type_bytes:i"},
};

static bool has_type(const json_t *v, char type)
{
	switch (type) {
	case 'i':
		return json_is_integer(v) && json_integer_value(v) >= 0;
	case 's':
		return json_is_string(v);
	case 'o':
		return json_is_object(v);
	default:
		return false;
	}
}

static void check_demand(const struct demand *table, size_t n, const char *name, const json_t *o)
{
	char member[64], type;
	const char *at;
	int used;
	size_t i;

	for (i = 0; i < n && strcmp(table[i].name, name); i++)
		;
	if (i == n)
		fail_msg("%s is not in the schema", name);
	for (at = table[i].members; sscanf(at, " %63[^:]:%c%n", member, &type, &used) == 2;
	     at += used)
		if (!has_type(json_object_get(o, member), type))
			fail_msg("%s lacks %s", name, member);
}

static void check_names(const json_t *o)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_array(o))
		json_array_foreach(o, i, value) check_names(value);
	if (!json_is_object(o))
		return;
	json_object_foreach((json_t *)o, name, value)
	{
		for (const char *c = name; *c; c++)
			assert_false(isupper(*c));
		assert_string_not_equal(name, "stateless_reset_token");
		check_names(value);
	}
}

static void check_packet(const char *name, const json_t *data)
{
	const json_t *header = json_object_get(data, "header");
	json_t *f;
	size_t i;

	assert_string_equal(json_string_value(json_object_get(header, "packet_type")), "1RTT");
	if (!strcmp(name, "quic:packet_sent") || !strcmp(name, "quic:packet_received"))
		assert_true(json_is_integer(json_object_get(header, "packet_number")));
	json_array_foreach(json_object_get(data, "frames"), i, f)
	{
		const char *type = json_string_value(json_object_get(f, "frame_type"));

		assert_non_null(type);
		check_demand(frames, INLAY_ARRAY_SIZE(frames), type, f);
		/* Lengths are fine, bytes are not. */
		assert_null(json_object_get(json_object_get(f, "raw"), "data"));
		if (!strcmp(type, "new_token"))
			assert_int_equal(json_object_size(json_object_get(f, "token")), 0);
	}
}

static void check_header(const struct log *l, const char *role)
{
	const char *schema, *format, *type, *clock, *epoch;
	json_t *schemas;

	assert_int_equal(json_unpack(l->header, "{s:s, s:s, s:{s:{s:{s:s, s:s}}, s:{s:s}, s:o}}",
				     "file_schema", &schema, "serialization_format", &format,
				     "trace", "common_fields", "reference_time", "clock_type",
				     &clock, "epoch", &epoch, "vantage_point", "type", &type,
				     "event_schemas", &schemas),
			 0);
	assert_string_equal(schema, "urn:ietf:params:qlog:file:sequential");
	assert_string_equal(format, "application/qlog+json-seq");
	assert_string_equal(type, role);
	assert_string_equal(clock, "monotonic");
	assert_string_equal(epoch, "unknown");
	assert_true(json_array_size(schemas) > 0);
}

static void check_log(const struct log *l, const char *role)
{
	double last = 0;
	size_t i;
	json_t *o;

	check_header(l, role);
	check_names(l->header);
	json_array_foreach(l->records, i, o)
	{
		const char *name = json_string_value(json_object_get(o, "name"));
		json_t *data = json_object_get(o, "data"), *time = json_object_get(o, "time");

		assert_non_null(name);
		assert_true(json_is_object(data));
		assert_true(json_is_real(time) && json_real_value(time) >= last);
		last = json_real_value(time);
		check_demand(events, INLAY_ARRAY_SIZE(events), name, data);
		if (!strncmp(name, "quic:packet_", 12))
			check_packet(name, data);
		check_names(o);
	}
}

/* --- Secrets -------------------------------------------------------------------------------------
 */

static void to_base64(const __u8 *from, size_t len, char *to)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (; len >= 3; from += 3, len -= 3) {
		__u32 v = (__u32)from[0] << 16 | (__u32)from[1] << 8 | from[2];

		for (int i = 3; i >= 0; i--)
			*to++ = digits[v >> 6 * i & 63];
	}
	*to = '\0';
}

static bool contains(const struct log *l, const void *bytes, size_t len)
{
	const __u8 *needle = bytes;
	char text[256];

	assert_true(len >= 8 && len <= 100);
	if (memmem(l->text, l->len, needle, len))
		return true;
	for (int upper = 0; upper < 2; upper++) {
		for (size_t i = 0; i < len; i++)
			snprintf(text + 2 * i, 3, upper ? "%02X" : "%02x", needle[i]);
		if (strstr(l->text, text))
			return true;
	}
	for (size_t shift = 0; shift < 3; shift++) {
		to_base64(needle + shift, len - shift, text);
		if (strstr(l->text, text))
			return true;
	}
	return false;
}

/* The search finds what there is to be found: a CID that NEW_CONNECTION_ID tells. */
static void check_no_secrets(const struct log *l, const struct quic_pair *p, const __u8 *payload)
{
	struct seeded rng = {.state = p->config.seed * 0x9e3779b97f4a7c15ULL | 1};
	__u8 secret[32];

	for (int i = 0; i < 2; i++) {
		const struct inlay_cids *cids = &p->side[i].conn->cids;

		seeded_bytes(&rng, secret, sizeof(secret));
		for (size_t at = 0; at < 32; at += 16)
			assert_false(contains(l, secret + at, 16));
		for (int k = 0; k < INLAY_CIDS_OWN_MAX; k++) {
			if (!cids->own[k].used || cids->own[k].sequence == 0)
				continue;
			assert_false(contains(l, cids->own[k].token, 16));
			assert_true(contains(l, cids->own[k].cid.data, INLAY_OWN_CID));
		}
	}
	for (size_t at = 0; at < 64; at += 8)
		assert_false(contains(l, payload + at, 8));
}

/* --- A whole life --------------------------------------------------------------------------------
 */

static __u8 payload[64];

static int read_payload(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = payload[(offset + i) % sizeof(payload)];
	return 0;
}

static const struct inlay_stream_source source = {.read = read_payload};

static void take_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	inlay_conn_stream_consume(((struct quic_pair_side *)user)->conn, id, len);
}

static const struct inlay_conn_ops app = {.on_stream_data = take_data};

static struct inlay_qlog_config log_config(enum inlay_role role)
{
	return (struct inlay_qlog_config){
		.dirfd = dirfd_of_logs,
		.max_bytes = 64 << 20,
		.name = "test",
		.number = role,
		.role = role,
	};
}

static void start_log(struct quic_pair_side *s, char file[INLAY_QLOG_NAME])
{
	struct inlay_qlog_config config = log_config(s->role);

	assert_int_equal(inlay_qlog_start(&config, s->conn, s->pair->now, file), 0);
	assert_int_equal(inlay_qlog_start(&config, s->conn, s->pair->now, file), -EALREADY);
}

static struct quic_pair *lossy_pair(__u64 seed)
{
	struct quic_pair_config config = quic_pair_defaults(seed);
	struct seeded rng = {.state = 99};

	seeded_bytes(&rng, payload, sizeof(payload));
	config.loss_pct = 5;
	config.dup_pct = 2;
	config.app = &app;
	return quic_pair_new(&config);
}

static void send_stream(struct quic_pair_side *s, __u64 bytes)
{
	__u64 id;

	assert_int_equal(inlay_conn_stream_open(s->conn, false, 1, &source, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(s->conn, id, bytes, true), 0);
}

static void live(struct quic_pair *p)
{
	struct quic_pair_side *client = &p->side[INLAY_CLIENT], *server = &p->side[INLAY_SERVER];
	const struct inlay_datagram_order order = {.flow = 1};

	send_stream(server, 300000);
	send_stream(client, 50000);
	for (int i = 0; i < 10; i++)
		inlay_conn_datagram(client->conn, &order, payload, sizeof(payload));
	quic_pair_run(p, p->now + INLAY_S);
	while (inlay_conn_update_keys(client->conn, p->now))
		quic_pair_run(p, p->now + 50 * INLAY_MS);
	quic_pair_run(p, p->now + 2 * INLAY_S);
	quic_pair_rebind(p);
	send_stream(client, 20000);
	quic_pair_run(p, p->now + 3 * INLAY_S);
}

static void compare_counts(const struct log *l, const struct inlay_conn_stats *s)
{
	assert_int_equal(count(l, "quic:packet_sent"), s->packets_sent);
	assert_int_equal(count(l, "quic:packet_received") + count(l, "quic:packet_dropped"),
			 s->packets_received);
	assert_int_equal(count_with(l, "quic:packet_dropped", "trigger", "duplicate"),
			 s->duplicates);
	assert_int_equal(count(l, "quic:packet_lost"), s->packets_lost);
}

static void a_life_with_loss_migration_and_key_update_is_logged_whole(void **state)
{
	struct quic_pair *p = lossy_pair(5);
	struct inlay_conn_stats stats[2];
	char file[2][INLAY_QLOG_NAME];
	struct log l[2];

	for (int i = 0; i < 2; i++)
		start_log(&p->side[i], file[i]);
	live(p);
	inlay_conn_close(p->side[INLAY_CLIENT].conn, true, 7, "that \"was\" it", p->now);
	quic_pair_run(p, p->now + 5 * INLAY_S);
	for (int i = 0; i < 2; i++) {
		inlay_conn_stats(p->side[i].conn, &stats[i]);
		inlay_conn_set_trace(p->side[i].conn, NULL, NULL, p->now);
		assert_false(inlay_conn_has_trace(p->side[i].conn));
		l[i] = read_log(file[i]);
		check_log(&l[i], i == INLAY_SERVER ? "server" : "client");
		check_no_secrets(&l[i], p, payload);
		compare_counts(&l[i], &stats[i]);
		assert_true(count(&l[i], "quic:packet_lost") > 0);
		assert_int_equal(count(&l[i], "quic:key_updated"), 2);
		assert_int_equal(count(&l[i], "quic:connection_closed"), 1);
		assert_true(count(&l[i], "quic:congestion_state_updated") > 0);
		assert_true(count(&l[i], "quic:timer_updated") > 1);
		assert_int_equal(count(&l[i], "quic:parameters_set"), 2);
		assert_true(count_frames(&l[i], "quic:packet_sent", "stream") > 10);
	}
	assert_int_equal(
		count_with(&l[INLAY_CLIENT], "quic:key_updated", "trigger", "local_update"), 2);
	assert_int_equal(
		count_with(&l[INLAY_SERVER], "quic:key_updated", "trigger", "remote_update"), 2);
	assert_int_equal(count_with(&l[INLAY_SERVER], "quic:migration_state_updated", "new",
				    "migration_complete"),
			 1);
	assert_int_equal(count(&l[INLAY_SERVER], "quic:tuple_assigned"), 2);
	assert_int_equal(
		count_with(&l[INLAY_SERVER], "quic:connection_closed", "initiator", "remote"), 1);
	assert_int_equal(
		count_with(&l[INLAY_SERVER], "quic:connection_closed", "reason", "that \"was\" it"),
		1);
	assert_true(count_frames(&l[INLAY_CLIENT], "quic:packet_sent", "datagram") > 0);
	for (int i = 0; i < 2; i++)
		free_log(&l[i]);
	quic_pair_free(p);
	remove_logs();
}

static void a_log_ends_with_its_connection(void **state)
{
	struct quic_pair *p = lossy_pair(6);
	char file[INLAY_QLOG_NAME];
	struct log l;

	start_log(&p->side[INLAY_SERVER], file);
	quic_pair_run(p, p->now + INLAY_S);
	quic_pair_free(p);
	l = read_log(file);
	check_log(&l, "server");
	free_log(&l);
	remove_logs();
}

/* --- Frames by hand ------------------------------------------------------------------------------
 */

static void tokens_and_hostile_text_stay_out(void **state)
{
	static const char token[] = "0123456789-a-token-of-the-server";
	/* NewSessionTicket, and its length. */
	static const char ticket[] = "\4\0\0\x21"
				     "a-session-ticket-is-a-secret-too";
	struct inlay_qlog_config config = log_config(INLAY_CLIENT);
	__u8 frame[512], reset_token[16];
	char file[INLAY_QLOG_NAME];
	struct inlay_writer w;
	struct solo s;
	struct log l;

	memset(reset_token, 0xa7, sizeof(reset_token));
	solo_init(&s, INLAY_CLIENT);
	s.handover.peer.has_stateless_reset_token = true;
	memcpy(s.handover.peer.stateless_reset_token, reset_token, 16);
	assert_true(solo_start(&s));
	assert_int_equal(inlay_qlog_start(&config, s.conn, s.now, file), 0);
	w = inlay_writer_of(frame, sizeof(frame));
	assert_true(inlay_writer_u8(&w, INLAY_QUIC_NEW_TOKEN) &&
		    inlay_quic_varint_put(&w, sizeof(token)) &&
		    inlay_writer_bytes(&w, token, sizeof(token)));
	assert_true(inlay_quic_put_crypto(&w, 0, (const __u8 *)ticket, sizeof(ticket)));
	solo_recv(&s, frame, inlay_writer_len(&w));
	w = inlay_writer_of(frame, sizeof(frame));
	assert_true(inlay_quic_put_close(&w, true, 9, 0, "\xff\x1e\n\"}{\x80", 7));
	solo_recv(&s, frame, inlay_writer_len(&w));
	solo_stop(&s);
	l = read_log(file);
	check_log(&l, "client");
	assert_int_equal(count_frames(&l, "quic:packet_received", "new_token"), 1);
	assert_int_equal(count_frames(&l, "quic:packet_received", "crypto"), 1);
	assert_int_equal(count_with(&l, "quic:connection_closed", "reason", "???\"}{?"), 1);
	assert_false(contains(&l, token, 20));
	assert_false(contains(&l, ticket + 4, 20));
	assert_false(contains(&l, reset_token, 16));
	free_log(&l);
	remove_logs();
}

static void a_packet_full_of_acks_makes_one_record(void **state)
{
	struct inlay_qlog_config config = log_config(INLAY_SERVER);
	char file[INLAY_QLOG_NAME];
	struct inlay_writer w;
	__u8 frames_of[1400];
	struct solo s;
	struct log l;

	solo_init(&s, INLAY_SERVER);
	s.entry.next_pn = INLAY_PN_MAX - 100000;
	assert_true(solo_start(&s));
	assert_int_equal(inlay_qlog_start(&config, s.conn, s.now, file), 0);
	w = inlay_writer_of(frames_of, sizeof(frames_of));
	/* ACKs of far too many ranges: a violation, and a record all the same. */
	while (inlay_writer_left(&w) > 700) {
		inlay_writer_u8(&w, INLAY_QUIC_ACK);
		inlay_quic_varint_put(&w, INLAY_PN_MAX - 1);
		inlay_quic_varint_put(&w, 0);
		inlay_quic_varint_put(&w, 300);
		inlay_quic_varint_put(&w, 0);
		for (int i = 0; i < 300; i++) {
			inlay_writer_u8(&w, 0);
			inlay_writer_u8(&w, 1);
		}
	}
	solo_recv(&s, frames_of, inlay_writer_len(&w));
	assert_true(s.closed);
	solo_stop(&s);
	l = read_log(file);
	check_log(&l, "server");
	assert_int_equal(count(&l, "quic:packet_received"), 1);
	assert_int_equal(count(&l, "quic:connection_closed"), 1);
	free_log(&l);
	remove_logs();
}

/* --- Files ---------------------------------------------------------------------------------------
 */

static void a_full_file_says_so_and_grows_no_more(void **state)
{
	struct quic_pair *p = lossy_pair(7);
	struct inlay_qlog_config config = log_config(INLAY_SERVER);
	char file[INLAY_QLOG_NAME];
	const json_t *last;
	struct log l;

	config.max_bytes = 20000;
	assert_int_equal(inlay_qlog_start(&config, p->side[INLAY_SERVER].conn, p->now, file), 0);
	live(p);
	/* The connection is not logged any more: another log may begin. */
	assert_false(inlay_conn_has_trace(p->side[INLAY_SERVER].conn));
	l = read_log(file);
	check_log(&l, "server");
	assert_in_range(l.len, 18000, 20000);
	assert_int_equal(count(&l, "loglevel:warning"), 1);
	last = json_array_get(l.records, json_array_size(l.records) - 1);
	assert_string_equal(json_string_value(json_object_get(last, "name")), "loglevel:warning");
	free_log(&l);
	quic_pair_free(p);
	remove_logs();
}

static int errors, ends;

static void note_error(void *user, const char *file, int err)
{
	assert_int_equal(err, EFBIG);
	errors++;
}

static void note_end(void *user)
{
	ends++;
}

static void a_failing_disk_ends_the_log_and_nothing_else(void **state)
{
	struct quic_pair *p = lossy_pair(8);
	struct inlay_qlog_config config = log_config(INLAY_SERVER);
	struct rlimit before, small;
	char file[INLAY_QLOG_NAME];
	struct log l;

	config.on_error = note_error;
	config.on_end = note_end;
	assert_int_equal(inlay_qlog_start(&config, p->side[INLAY_SERVER].conn, p->now, file), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	live(p);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(errors, 1);
	assert_int_equal(ends, 1);
	assert_false(p->side[INLAY_SERVER].closed);
	assert_false(inlay_conn_has_trace(p->side[INLAY_SERVER].conn));
	l = read_log(file);
	check_log(&l, "server"); /* whole records, as far as there was room */
	assert_in_range(l.len, 1, 4096);
	free_log(&l);
	assert_int_equal(inlay_qlog_start(&config, p->side[INLAY_SERVER].conn, p->now, file), 0);
	quic_pair_free(p);
	assert_int_equal(ends, 2);
	remove_logs();
}

static void no_file_is_written_over_and_no_link_followed(void **state)
{
	struct inlay_qlog_config config = log_config(INLAY_SERVER);
	char file[INLAY_QLOG_NAME], link[INLAY_QLOG_NAME];
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	snprintf(link, sizeof(link), "test-%d-connection-1-1.sqlog", (int)getpid());
	assert_int_equal(symlinkat("elsewhere", dirfd_of_logs, link), 0);
	assert_int_equal(inlay_qlog_start(&config, s.conn, s.now, file), 0);
	assert_string_not_equal(file, link);
	assert_int_equal(faccessat(dirfd_of_logs, "elsewhere", F_OK, 0), -1);
	inlay_conn_set_trace(s.conn, NULL, NULL, s.now);
	config.dirfd = -1;
	assert_int_equal(inlay_qlog_start(&config, s.conn, s.now, file), -EBADF);
	assert_false(inlay_conn_has_trace(s.conn));
	solo_stop(&s);
	remove_logs();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_life_with_loss_migration_and_key_update_is_logged_whole),
		cmocka_unit_test(a_log_ends_with_its_connection),
		cmocka_unit_test(tokens_and_hostile_text_stay_out),
		cmocka_unit_test(a_packet_full_of_acks_makes_one_record),
		cmocka_unit_test(a_full_file_says_so_and_grows_no_more),
		cmocka_unit_test(a_failing_disk_ends_the_log_and_nothing_else),
		cmocka_unit_test(no_file_is_written_over_and_no_link_followed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
