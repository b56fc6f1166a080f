/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "turn_schema.h"
#include "yaml_file.h"

/* Peers at addresses that mean this host, this link or a group: a server that lets them be reached
 * at all may do that itself. */
static const char *const never_fast[] = {
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
	"::/128",    "::1/128",	    "fe80::/10",      "ff00::/8",
};

/* --- Defaults --------------------------------------------------------------------------------- */

void inlay_turn_options_default(struct inlay_turn_options *o)
{
	*o = (struct inlay_turn_options){.ports = {3478}, .n_ports = 1};
#define NUMBER(name, preset, ...) o->IN name = (preset);
#define CHOICE(name, preset, ...) o->IN name = (preset);
#define IN
	INLAY_TURN_OPTIONS_CHOICE(CHOICE)
#undef IN
#define IN lifetimes.
	INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)
#undef IN
#define IN limits.
	INLAY_TURN_OPTIONS_LIMITS(NUMBER)
#undef IN
#undef NUMBER
#undef CHOICE
	snprintf(o->control_socket, sizeof(o->control_socket), "%s", INLAY_TURN_SOCKET);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(never_fast); i++) {
		struct inlay_turn_range *range = &o->denied[o->n_denied++];

		inlay_address_parse_range(never_fast[i], &range->addr, &range->prefix_len);
	}
}

/* --- From the file's values ------------------------------------------------------------------- */

#define NUMBER(name, ...)                                                                          \
	if (raw->name)                                                                             \
		o->IN name = *raw->name;
#define TEXT(name)                                                                                 \
	if (raw->name)                                                                             \
		snprintf(o->IN name, sizeof(o->IN name), "%s", raw->name);
#define CHOICE(name, ...)                                                                          \
	if (raw->name)                                                                             \
		o->IN name = *raw->name;

#define IN lifetimes.
static void take_lifetimes(struct inlay_turn_options *o, const struct inlay_turn_raw_lifetimes *raw)
{
	INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)
}
#undef IN

#define IN limits.
static void take_limits(struct inlay_turn_options *o, const struct inlay_turn_raw_limits *raw)
{
	INLAY_TURN_OPTIONS_LIMITS(NUMBER)
}
#undef IN

#define IN
static void take_top(struct inlay_turn_options *o, const struct inlay_turn_raw *raw)
{
	INLAY_TURN_OPTIONS_TEXT(TEXT)
	INLAY_TURN_OPTIONS_CHOICE(CHOICE)
}
#undef IN
#undef NUMBER
#undef TEXT
#undef CHOICE

bool inlay_turn_options_interface(struct inlay_turn_options *o, __u32 n, const char *name)
{
	size_t len = strlen(name);

	if (n >= INLAY_TURN_INTERFACES || !len || len >= sizeof(o->interfaces[0]) ||
	    strchr(name, '/'))
		return false;
	memcpy(o->interfaces[n], name, len + 1);
	o->n_interfaces = n + 1;
	return true;
}

bool inlay_turn_options_port(struct inlay_turn_options *o, __u32 n, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = digits && digits < 6 && !text[digits] ? strtoul(text, NULL, 10) : 0;

	if (n >= INLAY_TURN_PORTS || !port || port > 65535)
		return false;
	o->ports[n] = (__u16)port;
	o->n_ports = n + 1;
	return true;
}

static int take_denied(struct inlay_turn_options *o, const struct inlay_turn_raw *raw,
		       const struct inlay_yaml_index *index, struct inlay_yaml_complaint *complaint)
{
	o->n_denied = 0;
	for (unsigned int i = 0; i < raw->denied_count && i < INLAY_TURN_RANGES; i++) {
		struct inlay_turn_range *range = &o->denied[o->n_denied++];

		if (inlay_address_parse_range(raw->denied[i], &range->addr, &range->prefix_len))
			return inlay_yaml_complain(index, "denied", complaint,
						   "'%s' is neither an address nor a range, such "
						   "as 10.0.0.0/8 or fd00::/8",
						   raw->denied[i]);
	}
	return 0;
}

static int take(struct inlay_turn_options *o, const struct inlay_turn_raw *raw,
		const struct inlay_yaml_index *index, struct inlay_yaml_complaint *complaint)
{
	take_top(o, raw);
	if (raw->lifetimes)
		take_lifetimes(o, raw->lifetimes);
	if (raw->limits)
		take_limits(o, raw->limits);
	for (unsigned int i = 0; raw->interfaces && i < raw->interfaces_count; i++)
		if (!inlay_turn_options_interface(o, i, raw->interfaces[i]))
			return inlay_yaml_complain(index, "interfaces", complaint,
						   "'%s' cannot be an interface's name",
						   raw->interfaces[i]);
	if (raw->ports_count > INLAY_TURN_PORTS)
		return inlay_yaml_complain(index, "ports", complaint, "more than %d entries",
					   INLAY_TURN_PORTS);
	if (raw->ports)
		o->n_ports = raw->ports_count;
	for (unsigned int i = 0; raw->ports && i < raw->ports_count; i++)
		o->ports[i] = (__u16)raw->ports[i];
	return raw->denied ? take_denied(o, raw, index, complaint) : 0;
}

/* --- What options say together ---------------------------------------------------------------- */

static int check_together(const struct inlay_turn_options *o, const struct inlay_yaml_index *index,
			  struct inlay_yaml_complaint *complaint)
{
	struct inlay_addr addr;

	if (!*o->control_socket || strlen(o->control_socket) > 100)
		return inlay_yaml_complain(index, "control_socket", complaint,
					   "1 to 100 bytes: no socket can have such a path");
	if (o->limits.bytes_per_s && o->limits.bytes_per_s < INLAY_TURN_BYTES_PER_S_MIN)
		return inlay_yaml_complain(
			index, "limits.bytes_per_s", complaint,
			"%lld is out of range: 0 (no limit), or %d to 4294967295",
			(long long)o->limits.bytes_per_s, INLAY_TURN_BYTES_PER_S_MIN);
	if (*o->metrics && inlay_address_parse(o->metrics, &addr))
		return inlay_yaml_complain(index, "metrics", complaint,
					   "'%.80s' is not an address with a port, such as "
					   "127.0.0.1:9641",
					   o->metrics);
	if (*o->metrics && !inlay_address_is_loopback(&addr))
		return inlay_yaml_complain(index, "metrics", complaint,
					   "%.80s is not loopback: who reaches it sees the counts; "
					   "put a proxy in front of it that decides who may",
					   o->metrics);
	return 0;
}

/* --- Loading ---------------------------------------------------------------------------------- */

static int parse(const char *text, size_t len, struct inlay_turn_options *options,
		 struct inlay_yaml_complaint *complaint)
{
	struct inlay_turn_raw *raw = NULL;
	struct inlay_yaml_index index;
	int ret = inlay_yaml_load(text, len, &inlay_turn_yaml_options, &inlay_turn_schema,
				  (void **)&raw, &index, complaint);

	if (ret)
		return ret;
	if (raw)
		ret = take(options, raw, &index, complaint);
	inlay_yaml_unload(&inlay_turn_schema, raw);
	if (!ret)
		ret = check_together(options, &index, complaint);
	inlay_yaml_index_fini(&index);
	return ret;
}

int inlay_turn_options_parse(const char *name, const char *text, size_t len,
			     struct inlay_turn_options *ret_options, char err[INLAY_TURN_ERROR])
{
	struct inlay_yaml_complaint complaint = {0};
	struct inlay_turn_options options;
	int ret;

	inlay_turn_options_default(&options);
	ret = parse(text, len, &options, &complaint);
	if (!ret)
		*ret_options = options;
	else
		inlay_yaml_describe(name, &complaint, err, INLAY_TURN_ERROR);
	return ret;
}

int inlay_turn_options_load(const char *file, struct inlay_turn_options *ret_options,
			    char err[INLAY_TURN_ERROR])
{
	size_t len;
	char *text;
	int ret = inlay_yaml_read(file, &text, &len);

	if (ret) {
		snprintf(err, INLAY_TURN_ERROR, "%.120s: %s", file, strerror(-ret));
		return ret;
	}
	ret = inlay_turn_options_parse(file, text, len, ret_options, err);
	free(text);
	return ret;
}

/* --- Printing --------------------------------------------------------------------------------- */

/* libcyaml saves what it would load: the raw form, pointing into |o|. */
struct raw_view {
	struct inlay_turn_raw top;
	struct inlay_turn_raw_lifetimes lifetimes;
	struct inlay_turn_raw_limits limits;
	char *interfaces[INLAY_TURN_INTERFACES];
	__s64 ports[INLAY_TURN_PORTS];
	char denied_text[INLAY_TURN_RANGES][INLAY_ADDRESS_TEXT];
	char *denied[INLAY_TURN_RANGES];
};

static void view_options(struct raw_view *v, struct inlay_turn_options *o)
{
#define NUMBER(name, ...) v->IN name = &o->IN name;
#define TEXT(name)	  v->top.name = o->name;
#define CHOICE(name, ...) v->top.name = &o->name;
	INLAY_TURN_OPTIONS_TEXT(TEXT)
	INLAY_TURN_OPTIONS_CHOICE(CHOICE)
#define IN lifetimes.
	INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)
#undef IN
#define IN limits.
	INLAY_TURN_OPTIONS_LIMITS(NUMBER)
#undef IN
#undef NUMBER
#undef TEXT
#undef CHOICE
	v->top.lifetimes = &v->lifetimes;
	v->top.limits = &v->limits;
}

static void view_lists(struct raw_view *v, struct inlay_turn_options *o)
{
	for (__u32 i = 0; i < o->n_interfaces; i++)
		v->interfaces[i] = o->interfaces[i];
	for (__u32 i = 0; i < o->n_ports; i++)
		v->ports[i] = o->ports[i];
	for (__u32 i = 0; i < o->n_denied; i++) {
		char ip[INET6_ADDRSTRLEN] = "?";

		inet_ntop(o->denied[i].addr.family, o->denied[i].addr.ip, ip, sizeof(ip));
		snprintf(v->denied_text[i], sizeof(v->denied_text[i]), "%s/%u", ip,
			 o->denied[i].prefix_len);
		v->denied[i] = v->denied_text[i];
	}
	/* No interface is named: that is said by leaving the key out, an empty list is an error. */
	v->top.interfaces = o->n_interfaces ? v->interfaces : NULL;
	v->top.interfaces_count = o->n_interfaces;
	v->top.ports = v->ports;
	v->top.ports_count = o->n_ports;
	v->top.denied = v->denied;
	v->top.denied_count = o->n_denied;
}

char *inlay_turn_options_print(const struct inlay_turn_options *options)
{
	const cyaml_config_t cyaml = {.mem_fn = cyaml_mem, .flags = CYAML_CFG_STYLE_BLOCK};
	struct inlay_turn_options copy = *options;
	struct raw_view view = {0};
	char *text = NULL, *ret = NULL;
	size_t len;

	view_options(&view, &copy);
	view_lists(&view, &copy);
	if (cyaml_save_data(&text, &len, &cyaml, &inlay_turn_schema, &view.top, 0) == CYAML_OK)
		ret = strndup(text, len);
	free(text);
	return ret;
}
