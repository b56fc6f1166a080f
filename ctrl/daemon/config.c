/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_schema.h"
#include "conn.h"
#include "uri.h"
#include "yaml_file.h"

/* --- Defaults --------------------------------------------------------------------------------- */

void inlay_config_default_socket(char ret_path[INLAY_CONFIG_TEXT])
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (!getuid())
		snprintf(ret_path, INLAY_CONFIG_TEXT, "/run/inlayd.sock");
	else if (dir && *dir == '/' && strlen(dir) < 80)
		snprintf(ret_path, INLAY_CONFIG_TEXT, "%s/inlayd.sock", dir);
	else
		snprintf(ret_path, INLAY_CONFIG_TEXT, "/tmp/inlayd-%u.sock",
			 (unsigned int)getuid());
}

struct inlay_provider_local_config inlay_config_provider(const struct inlay_config *config)
{
	static const char *const backends[] = {"auto", "libcrypto", "ipsec-mb"};
	const __u32 connections = (__u32)config->max_connections;

	return (struct inlay_provider_local_config){
		.max_sa = 2 * connections,
		.max_cids = INLAY_CONN_CIDS * connections,
		.backend = backends[config->crypto_backend],
	};
}

void inlay_config_default(struct inlay_config *c)
{
	*c = (struct inlay_config){
		.n_listen = 1,
		.ciphers = {INLAY_AES_128_GCM, INLAY_AES_256_GCM, INLAY_CHACHA20_POLY1305},
		.n_ciphers = 3,
		.alpn = {INLAY_ALPN},
		.n_alpn = 1,
	};
	inlay_address_parse("127.0.0.1:4433", &c->listen[0]);
#define NUMBER(name, preset, ...) c->IN name = (preset);
#define TEXT(name, preset)	  snprintf(c->IN name, sizeof(c->IN name), "%s", preset);
#define CHOICE(name, preset, ...) c->IN name = (preset);
#define IN
	INLAY_OPTIONS_TOP_TEXT(TEXT)
	INLAY_OPTIONS_TOP_CHOICE(CHOICE)
	INLAY_OPTIONS_TOP_NUMBER(NUMBER)
#undef IN
#define IN limits.
	INLAY_OPTIONS_LIMITS(NUMBER)
#undef IN
#define IN cache.
	INLAY_OPTIONS_CACHE(NUMBER)
#undef IN
#define IN relay.
	INLAY_OPTIONS_RELAY(NUMBER)
#undef IN
#define IN origin.
	INLAY_OPTIONS_ORIGIN_TEXT(TEXT)
	INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE)
	INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER)
#undef IN
#define IN qlog.
	INLAY_OPTIONS_QLOG_TEXT(TEXT)
	INLAY_OPTIONS_QLOG_CHOICE(CHOICE)
	INLAY_OPTIONS_QLOG_NUMBER(NUMBER)
#undef IN
#undef NUMBER
#undef TEXT
#undef CHOICE
	inlay_config_default_socket(c->control_socket);
}

/* --- From the file's values ------------------------------------------------------------------- */

#define NUMBER(name, ...)                                                                          \
	if (raw->name)                                                                             \
		c->IN name = *raw->name;
#define TEXT(name, ...)                                                                            \
	if (raw->name)                                                                             \
		snprintf(c->IN name, sizeof(c->IN name), "%s", raw->name);
#define CHOICE(name, ...)                                                                          \
	if (raw->name)                                                                             \
		c->IN name = *raw->name;

#define IN limits.
static void take_limits(struct inlay_config *c, const struct inlay_raw_limits *raw)
{
	INLAY_OPTIONS_LIMITS(NUMBER)
}
#undef IN

#define IN cache.
static void take_cache(struct inlay_config *c, const struct inlay_raw_cache *raw)
{
	INLAY_OPTIONS_CACHE(NUMBER)
}
#undef IN

#define IN relay.
static void take_relay(struct inlay_config *c, const struct inlay_raw_relay *raw)
{
	INLAY_OPTIONS_RELAY(NUMBER)
}
#undef IN

#define IN origin.
static void take_origin(struct inlay_config *c, const struct inlay_raw_origin *raw)
{
	INLAY_OPTIONS_ORIGIN_TEXT(TEXT)
	INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE)
	INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER)
}
#undef IN

#define IN qlog.
static void take_qlog(struct inlay_config *c, const struct inlay_raw_qlog *raw)
{
	INLAY_OPTIONS_QLOG_TEXT(TEXT)
	INLAY_OPTIONS_QLOG_CHOICE(CHOICE)
	INLAY_OPTIONS_QLOG_NUMBER(NUMBER)
}
#undef IN

#define IN
static void take_top(struct inlay_config *c, const struct inlay_raw_config *raw)
{
	INLAY_OPTIONS_TOP_TEXT(TEXT)
	INLAY_OPTIONS_TOP_CHOICE(CHOICE)
	INLAY_OPTIONS_TOP_NUMBER(NUMBER)
}
#undef IN
#undef NUMBER
#undef TEXT
#undef CHOICE

static int take_listen(struct inlay_config *c, const struct inlay_raw_config *raw,
		       const struct inlay_yaml_index *index, struct inlay_yaml_complaint *complaint)
{
	if (!raw->listen)
		return 0;
	c->n_listen = 0;
	for (unsigned int i = 0; i < raw->listen_count && i < INLAY_CONFIG_LIST; i++) {
		if (inlay_address_parse(raw->listen[i], &c->listen[c->n_listen++]))
			return inlay_yaml_complain(index, "listen", complaint,
						   "'%s' is not an address with a port, such as "
						   "127.0.0.1:4433 or [::1]:4433",
						   raw->listen[i]);
	}
	return 0;
}

static int take(struct inlay_config *c, const struct inlay_raw_config *raw,
		const struct inlay_yaml_index *index, struct inlay_yaml_complaint *complaint)
{
	take_top(c, raw);
	if (raw->limits)
		take_limits(c, raw->limits);
	if (raw->cache)
		take_cache(c, raw->cache);
	if (raw->relay)
		take_relay(c, raw->relay);
	if (raw->origin)
		take_origin(c, raw->origin);
	if (raw->qlog)
		take_qlog(c, raw->qlog);
	if (raw->alpn)
		c->n_alpn = raw->alpn_count;
	for (unsigned int i = 0; raw->alpn && i < raw->alpn_count; i++)
		snprintf(c->alpn[i], sizeof(c->alpn[i]), "%s", raw->alpn[i]);
	if (raw->ciphers)
		c->n_ciphers = raw->ciphers_count;
	for (unsigned int i = 0; raw->ciphers && i < raw->ciphers_count; i++)
		c->ciphers[i] = (enum inlay_cipher)raw->ciphers[i];
	/* A cache that is made small bounds each track, unless that is said too. */
	if (!(raw->cache && raw->cache->track_bytes) && c->cache.track_bytes > c->cache.bytes)
		c->cache.track_bytes = c->cache.bytes;
	return take_listen(c, raw, index, complaint);
}

/* --- What options say together ---------------------------------------------------------------- */

static int check_listen(const struct inlay_config *c, const struct inlay_yaml_index *index,
			struct inlay_yaml_complaint *complaint)
{
	char text[INLAY_ADDRESS_TEXT];

	for (__u32 i = 0; i < c->n_listen; i++) {
		inlay_address_format(&c->listen[i], text);
		if (!c->open && !inlay_address_is_loopback(&c->listen[i]))
			return inlay_yaml_complain(
				index, "listen", complaint,
				"%s is not loopback, and there is no authorisation: anybody who "
				"reaches it could publish and subscribe; if that is meant, set "
				"open: true",
				text);
		for (__u32 j = 0; j < i; j++)
			if (!memcmp(&c->listen[i], &c->listen[j], sizeof(c->listen[i])))
				return inlay_yaml_complain(index, "listen", complaint,
							   "%s stands there twice", text);
	}
	return 0;
}

static bool is_power_of_two(__s64 value)
{
	return (value & (value - 1)) == 0;
}

static int check_together(const struct inlay_config *c, const struct inlay_yaml_index *index,
			  struct inlay_yaml_complaint *complaint)
{
	struct inlay_uri uri;
	const char *why;

	if (!is_power_of_two(c->ring_frames))
		return inlay_yaml_complain(index, "ring_frames", complaint, "not a power of two");
	if (!is_power_of_two(c->limits.sent_log_packets))
		return inlay_yaml_complain(index, "limits.sent_log_packets", complaint,
					   "not a power of two");
	if (c->limits.stream_window_bytes > c->limits.connection_window_bytes)
		return inlay_yaml_complain(index, "limits.stream_window_bytes", complaint,
					   "larger than limits.connection_window_bytes (%lld)",
					   (long long)c->limits.connection_window_bytes);
	if (c->limits.keep_alive_ms >= c->limits.idle_timeout_ms)
		return inlay_yaml_complain(index, "limits.keep_alive_ms", complaint,
					   "not below limits.idle_timeout_ms (%lld)",
					   (long long)c->limits.idle_timeout_ms);
	if (c->origin.retry_min_ms > c->origin.retry_max_ms)
		return inlay_yaml_complain(index, "origin.retry_min_ms", complaint,
					   "larger than origin.retry_max_ms (%lld)",
					   (long long)c->origin.retry_max_ms);
	if (!*c->control_socket || strlen(c->control_socket) > 100)
		return inlay_yaml_complain(index, "control_socket", complaint,
					   "1 to 100 bytes: no socket can have such a path");
	for (__u32 i = 0; i < c->n_alpn; i++)
		if (strcmp(c->alpn[i], INLAY_ALPN))
			return inlay_yaml_complain(index, "alpn", complaint,
						   "'%s' is not spoken here; %s is", c->alpn[i],
						   INLAY_ALPN);
	if (*c->origin.uri && inlay_uri_parse(c->origin.uri, &uri, &why))
		return inlay_yaml_complain(index, "origin.uri", complaint,
					   "'%.80s' is not moqt://host:port/: %s", c->origin.uri,
					   why);
	if (c->qlog.connections == INLAY_QLOG_ALL && !*c->qlog.directory)
		return inlay_yaml_complain(index, "qlog.connections", complaint,
					   "all, and no qlog.directory to put their logs in");
	if (*c->qlog.directory && *c->qlog.directory != '/')
		return inlay_yaml_complain(index, "qlog.directory", complaint,
					   "'%.80s' is no absolute path", c->qlog.directory);
	if (c->cache.track_bytes > c->cache.bytes)
		return inlay_yaml_complain(index, "cache.track_bytes", complaint,
					   "larger than cache.bytes (%lld)",
					   (long long)c->cache.bytes);
	return check_listen(c, index, complaint);
}

/* --- Loading ---------------------------------------------------------------------------------- */

static int parse(const char *text, size_t len, struct inlay_config *config,
		 struct inlay_yaml_complaint *complaint)
{
	struct inlay_raw_config *raw = NULL;
	struct inlay_yaml_index index;
	int ret = inlay_yaml_load(text, len, &inlay_config_options, &inlay_config_schema,
				  (void **)&raw, &index, complaint);

	if (ret)
		return ret;
	if (raw)
		ret = take(config, raw, &index, complaint);
	inlay_yaml_unload(&inlay_config_schema, raw);
	if (!ret)
		ret = check_together(config, &index, complaint);
	inlay_yaml_index_fini(&index);
	return ret;
}

int inlay_config_parse(const char *name, const char *text, size_t len,
		       struct inlay_config *ret_config, char err[INLAY_CONFIG_ERROR])
{
	struct inlay_yaml_complaint complaint = {0};
	struct inlay_config config;
	int ret;

	inlay_config_default(&config);
	ret = parse(text, len, &config, &complaint);
	if (!ret)
		*ret_config = config;
	else
		inlay_yaml_describe(name, &complaint, err, INLAY_CONFIG_ERROR);
	return ret;
}

int inlay_config_load(const char *file, struct inlay_config *ret_config,
		      char err[INLAY_CONFIG_ERROR])
{
	size_t len;
	char *text;
	int ret = inlay_yaml_read(file, &text, &len);

	if (ret) {
		snprintf(err, INLAY_CONFIG_ERROR, "%.120s: %s", file, strerror(-ret));
		return ret;
	}
	ret = inlay_config_parse(file, text, len, ret_config, err);
	free(text);
	return ret;
}

/* --- Printing --------------------------------------------------------------------------------- */

/* libcyaml saves what it would load: the raw form, pointing into |c|. */
struct raw_view {
	struct inlay_raw_config top;
	struct inlay_raw_limits limits;
	struct inlay_raw_cache cache;
	struct inlay_raw_relay relay;
	struct inlay_raw_origin origin;
	struct inlay_raw_qlog qlog;
	char listen_text[INLAY_CONFIG_LIST][INLAY_ADDRESS_TEXT];
	char *listen[INLAY_CONFIG_LIST];
	char *alpn[INLAY_CONFIG_LIST];
	__u32 ciphers[3];
};

static void view_options(struct raw_view *v, struct inlay_config *c)
{
#define NUMBER(name, ...) v->FROM name = &c->IN name;
#define TEXT(name, ...)	  v->FROM name = c->IN name;
#define CHOICE(name, ...) v->FROM name = &c->IN name;
#define FROM		  top.
#define IN
	INLAY_OPTIONS_TOP_TEXT(TEXT)
	INLAY_OPTIONS_TOP_CHOICE(CHOICE)
	INLAY_OPTIONS_TOP_NUMBER(NUMBER)
#undef FROM
#undef IN
#define FROM limits.
#define IN   limits.
	INLAY_OPTIONS_LIMITS(NUMBER)
#undef FROM
#undef IN
#define FROM cache.
#define IN   cache.
	INLAY_OPTIONS_CACHE(NUMBER)
#undef FROM
#undef IN
#define FROM relay.
#define IN   relay.
	INLAY_OPTIONS_RELAY(NUMBER)
#undef FROM
#undef IN
#define FROM origin.
#define IN   origin.
	INLAY_OPTIONS_ORIGIN_TEXT(TEXT)
	INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE)
	INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER)
#undef FROM
#undef IN
#define FROM qlog.
#define IN   qlog.
	INLAY_OPTIONS_QLOG_TEXT(TEXT)
	INLAY_OPTIONS_QLOG_CHOICE(CHOICE)
	INLAY_OPTIONS_QLOG_NUMBER(NUMBER)
#undef FROM
#undef IN
#undef NUMBER
#undef TEXT
#undef CHOICE
	v->top.limits = &v->limits;
	v->top.cache = &v->cache;
	v->top.relay = &v->relay;
	v->top.origin = &v->origin;
	v->top.qlog = &v->qlog;
}

static void view_lists(struct raw_view *v, struct inlay_config *c)
{
	for (__u32 i = 0; i < c->n_listen; i++) {
		inlay_address_format(&c->listen[i], v->listen_text[i]);
		v->listen[i] = v->listen_text[i];
	}
	for (__u32 i = 0; i < c->n_alpn; i++)
		v->alpn[i] = c->alpn[i];
	for (__u32 i = 0; i < c->n_ciphers; i++)
		v->ciphers[i] = c->ciphers[i];
	v->top.listen = v->listen;
	v->top.listen_count = c->n_listen;
	v->top.alpn = v->alpn;
	v->top.alpn_count = c->n_alpn;
	v->top.ciphers = v->ciphers;
	v->top.ciphers_count = c->n_ciphers;
}

char *inlay_config_print(const struct inlay_config *config)
{
	const cyaml_config_t cyaml = {.mem_fn = cyaml_mem, .flags = CYAML_CFG_STYLE_BLOCK};
	struct inlay_config copy = *config;
	struct raw_view view = {0};
	char *text = NULL, *ret = NULL;
	size_t len;

	view_options(&view, &copy);
	view_lists(&view, &copy);
	if (cyaml_save_data(&text, &len, &cyaml, &inlay_config_schema, &view.top, 0) == CYAML_OK)
		ret = strndup(text, len);
	free(text);
	return ret;
}
