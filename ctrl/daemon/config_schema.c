/* SPDX-License-Identifier: BSD-2-Clause */
#include "config_schema.h"

static const cyaml_strval_t truth_choices[] = {{"false", 0}, {"true", 1}};
static const cyaml_strval_t backend_choices[] = {
	{"auto", INLAY_BACKEND_AUTO},
	{"libcrypto", INLAY_BACKEND_LIBCRYPTO},
	{"ipsec-mb", INLAY_BACKEND_IPSEC_MB},
};
static const cyaml_strval_t retry_choices[] = {
	{"off", INLAY_RETRY_OFF}, {"on", INLAY_RETRY_ON}, {"load", INLAY_RETRY_LOAD}};
static const cyaml_strval_t congestion_choices[] = {
	{"newreno", INLAY_CC_NEWRENO}, {"cubic", INLAY_CC_CUBIC}, {"live", INLAY_CC_LIVE}};
static const cyaml_strval_t policy_choices[] = {{"fair", INLAY_POLICY_FAIR},
						{"live", INLAY_POLICY_LIVE}};
static const cyaml_strval_t placement_choices[] = {{"auto", INLAY_PLACEMENT_AUTO},
						   {"user", INLAY_PLACEMENT_USER},
						   {"conventional", INLAY_PLACEMENT_CONVENTIONAL}};
static const cyaml_strval_t qlog_choices[] = {{"none", INLAY_QLOG_NONE}, {"all", INLAY_QLOG_ALL}};
static const cyaml_strval_t offload_choices[] = {{"auto", INLAY_OFFLOAD_AUTO},
						 {"off", INLAY_OFFLOAD_OFF}};
static const cyaml_strval_t log_choices[] = {{"error", INLAY_LOG_ERROR},
					     {"warning", INLAY_LOG_WARNING},
					     {"info", INLAY_LOG_INFO},
					     {"debug", INLAY_LOG_DEBUG}};
static const cyaml_strval_t cipher_choices[] = {{"aes-128-gcm", INLAY_AES_128_GCM},
						{"aes-256-gcm", INLAY_AES_256_GCM},
						{"chacha20-poly1305", INLAY_CHACHA20_POLY1305}};

/* --- For libcyaml ------------------------------------------------------------------------- */

#define OPTIONAL    (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER)
#define N(array)    ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define TEXT_ROOM   (INLAY_CONFIG_TEXT - 1)
#define LISTEN_ROOM (INLAY_ADDRESS_TEXT - 1)
#define ALPN_ROOM   31
#define ALPN_MAX    8 /* names of protocols that one TLS context takes */

#define NUMBER(name, ...) CYAML_FIELD_INT_PTR(#name, OPTIONAL, RAW, name),
#define TEXT(name, ...)	  CYAML_FIELD_STRING_PTR(#name, OPTIONAL, RAW, name, 0, TEXT_ROOM),
#define CHOICE(name, preset, choices)                                                              \
	CYAML_FIELD_ENUM_PTR(#name, OPTIONAL | CYAML_FLAG_STRICT, RAW, name, choices, N(choices)),

#define RAW struct inlay_raw_limits
static const cyaml_schema_field_t limits_fields[] = {INLAY_OPTIONS_LIMITS(NUMBER) CYAML_FIELD_END};
#undef RAW
#define RAW struct inlay_raw_cache
static const cyaml_schema_field_t cache_fields[] = {INLAY_OPTIONS_CACHE(NUMBER) CYAML_FIELD_END};
#undef RAW
#define RAW struct inlay_raw_relay
static const cyaml_schema_field_t relay_fields[] = {INLAY_OPTIONS_RELAY(NUMBER) CYAML_FIELD_END};
#undef RAW
#define RAW struct inlay_raw_origin
static const cyaml_schema_field_t origin_fields[] = {
	INLAY_OPTIONS_ORIGIN_TEXT(TEXT) INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE)
		INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER) CYAML_FIELD_END};
#undef RAW
#define RAW struct inlay_raw_qlog
static const cyaml_schema_field_t qlog_fields[] = {INLAY_OPTIONS_QLOG_TEXT(
	TEXT) INLAY_OPTIONS_QLOG_CHOICE(CHOICE) INLAY_OPTIONS_QLOG_NUMBER(NUMBER) CYAML_FIELD_END};
#undef RAW

static const cyaml_schema_value_t listen_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, LISTEN_ROOM)};
static const cyaml_schema_value_t alpn_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, ALPN_ROOM)};
static const cyaml_schema_value_t cipher_entry = {
	CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, __u32, cipher_choices, N(cipher_choices))};

#define RAW struct inlay_raw_config
static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_SEQUENCE("listen", OPTIONAL, RAW, listen, &listen_entry, 1, INLAY_CONFIG_LIST),
	CYAML_FIELD_SEQUENCE("alpn", OPTIONAL, RAW, alpn, &alpn_entry, 1, ALPN_MAX),
	CYAML_FIELD_SEQUENCE("ciphers", OPTIONAL, RAW, ciphers, &cipher_entry, 1,
			     N(cipher_choices)),
	INLAY_OPTIONS_TOP_TEXT(TEXT) INLAY_OPTIONS_TOP_CHOICE(CHOICE)
		INLAY_OPTIONS_TOP_NUMBER(NUMBER)
			CYAML_FIELD_MAPPING_PTR("limits", OPTIONAL, RAW, limits, limits_fields),
	CYAML_FIELD_MAPPING_PTR("cache", OPTIONAL, RAW, cache, cache_fields),
	CYAML_FIELD_MAPPING_PTR("relay", OPTIONAL, RAW, relay, relay_fields),
	CYAML_FIELD_MAPPING_PTR("origin", OPTIONAL, RAW, origin, origin_fields),
	CYAML_FIELD_MAPPING_PTR("qlog", OPTIONAL, RAW, qlog, qlog_fields),
	CYAML_FIELD_END};
#undef RAW
#undef NUMBER
#undef TEXT
#undef CHOICE

const struct cyaml_schema_value inlay_config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct inlay_raw_config, top_fields)};

/* --- For our own checks --------------------------------------------------------------------- */

#define OPTION(name, kind, ...)                                                                    \
	{.path = SECTION #name, .type = INLAY_YAML_TYPE_##kind, __VA_ARGS__},
#define NUMBER(name, preset, min, max) OPTION(name, NUMBER, .minimum = (min), .maximum = (max))
#define TEXT(name, preset)	       OPTION(name, TEXT, .longest = TEXT_ROOM)
#define CHOICE(name, preset, list)     OPTION(name, CHOICE, .choices = (list), .n_choices = N(list))

static const struct inlay_yaml_option options[] = {
#define SECTION ""
	OPTION(listen, TEXT_LIST, .longest = LISTEN_ROOM, .maximum = INLAY_CONFIG_LIST) OPTION(
		alpn, TEXT_LIST, .longest = ALPN_ROOM,
		.maximum = ALPN_MAX) OPTION(ciphers, CHOICE_LIST, .choices = cipher_choices,
					    .n_choices = N(cipher_choices),
					    .maximum = N(cipher_choices)) OPTION(limits, SECTION,
										 .choices = NULL)
		OPTION(cache, SECTION, .choices = NULL) OPTION(
			relay, SECTION,
			.choices = NULL) OPTION(origin, SECTION,
						.choices = NULL) OPTION(qlog, SECTION,
									.choices = NULL)
			INLAY_OPTIONS_TOP_TEXT(TEXT) INLAY_OPTIONS_TOP_CHOICE(
				CHOICE) INLAY_OPTIONS_TOP_NUMBER(NUMBER)
#undef SECTION
#define SECTION "limits."
				INLAY_OPTIONS_LIMITS(NUMBER)
#undef SECTION
#define SECTION "cache."
					INLAY_OPTIONS_CACHE(NUMBER)
#undef SECTION
#define SECTION "relay."
						INLAY_OPTIONS_RELAY(NUMBER)
#undef SECTION
#define SECTION "origin."
							INLAY_OPTIONS_ORIGIN_TEXT(
								TEXT) INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE)
								INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER)
#undef SECTION
#define SECTION "qlog."
									INLAY_OPTIONS_QLOG_TEXT(
										TEXT)
										INLAY_OPTIONS_QLOG_CHOICE(
											CHOICE)
											INLAY_OPTIONS_QLOG_NUMBER(
												NUMBER)
#undef SECTION
};

const struct inlay_yaml_schema inlay_config_options = {.options = options, .n = N(options)};
