/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_schema.h"

static const cyaml_strval_t truth_choices[] = {{"false", 0}, {"true", 1}};
static const cyaml_strval_t attach_choices[] = {{"auto", INLAY_TURN_ATTACH_AUTO},
						{"native", INLAY_TURN_ATTACH_NATIVE},
						{"generic", INLAY_TURN_ATTACH_GENERIC},
						{"tc", INLAY_TURN_ATTACH_TC}};
static const cyaml_strval_t log_choices[] = {{"error", INLAY_LOG_ERROR},
					     {"warning", INLAY_LOG_WARNING},
					     {"info", INLAY_LOG_INFO},
					     {"debug", INLAY_LOG_DEBUG}};

/* --- For libcyaml ------------------------------------------------------------------------- */

#define OPTIONAL       (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER)
#define N(array)       ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define TEXT_ROOM      (INLAY_TURN_TEXT - 1)
#define INTERFACE_ROOM 15 /* IFNAMSIZ less its NUL */
#define RANGE_ROOM     49 /* an IPv6 address with its prefix length */

#define NUMBER(name, ...) CYAML_FIELD_INT_PTR(#name, OPTIONAL, RAW, name),
#define TEXT(name)	  CYAML_FIELD_STRING_PTR(#name, OPTIONAL, RAW, name, 0, TEXT_ROOM),
#define CHOICE(name, preset, choices)                                                              \
	CYAML_FIELD_ENUM_PTR(#name, OPTIONAL | CYAML_FLAG_STRICT, RAW, name, choices, N(choices)),

#define RAW struct inlay_turn_raw_lifetimes
static const cyaml_schema_field_t lifetimes_fields[] = {INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)
								CYAML_FIELD_END};
#undef RAW
#define RAW struct inlay_turn_raw_limits
static const cyaml_schema_field_t limits_fields[] = {INLAY_TURN_OPTIONS_LIMITS(NUMBER)
							     CYAML_FIELD_END};
#undef RAW

static const cyaml_schema_value_t interface_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, INTERFACE_ROOM)};
static const cyaml_schema_value_t port_entry = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, __s64)};
static const cyaml_schema_value_t denied_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, RANGE_ROOM)};

#define RAW struct inlay_turn_raw
static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_SEQUENCE("interfaces", OPTIONAL, RAW, interfaces, &interface_entry, 1,
			     INLAY_TURN_INTERFACES),
	CYAML_FIELD_SEQUENCE("ports", OPTIONAL, RAW, ports, &port_entry, 1, CYAML_UNLIMITED),
	CYAML_FIELD_SEQUENCE("denied", OPTIONAL, RAW, denied, &denied_entry, 1, INLAY_TURN_RANGES),
	CYAML_FIELD_MAPPING_PTR("lifetimes", OPTIONAL, RAW, lifetimes, lifetimes_fields),
	CYAML_FIELD_MAPPING_PTR("limits", OPTIONAL, RAW, limits, limits_fields),
	INLAY_TURN_OPTIONS_TEXT(TEXT) INLAY_TURN_OPTIONS_CHOICE(CHOICE) CYAML_FIELD_END};
#undef RAW
#undef NUMBER
#undef TEXT
#undef CHOICE

const struct cyaml_schema_value inlay_turn_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct inlay_turn_raw, top_fields)};

/* --- For our own checks --------------------------------------------------------------------- */

#define OPTION(name, kind, ...)                                                                    \
	{.path = SECTION #name, .type = INLAY_YAML_TYPE_##kind, __VA_ARGS__},
#define NUMBER(name, preset, min, max) OPTION(name, NUMBER, .minimum = (min), .maximum = (max))
#define TEXT(name)		       OPTION(name, TEXT, .longest = TEXT_ROOM)
#define CHOICE(name, preset, list)     OPTION(name, CHOICE, .choices = (list), .n_choices = N(list))

static const struct inlay_yaml_option options[] = {
	{"interfaces", INLAY_YAML_TYPE_TEXT_LIST, .longest = INTERFACE_ROOM,
	 .maximum = INLAY_TURN_INTERFACES},
	/* |maximum| is that of a port: how many there may be is checked when they are taken. */
	{"ports", INLAY_YAML_TYPE_NUMBER_LIST, .minimum = 1, .maximum = 65535},
	{"denied", INLAY_YAML_TYPE_TEXT_LIST, .longest = RANGE_ROOM, .maximum = INLAY_TURN_RANGES},
	{.path = "lifetimes", .type = INLAY_YAML_TYPE_SECTION},
	{.path = "limits", .type = INLAY_YAML_TYPE_SECTION},
#define SECTION ""
	INLAY_TURN_OPTIONS_TEXT(TEXT) INLAY_TURN_OPTIONS_CHOICE(CHOICE)
#undef SECTION
#define SECTION "lifetimes."
		INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)
#undef SECTION
#define SECTION "limits."
			INLAY_TURN_OPTIONS_LIMITS(NUMBER)
#undef SECTION
};

const struct inlay_yaml_schema inlay_turn_yaml_options = {.options = options, .n = N(options)};
