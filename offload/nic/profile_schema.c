/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile_schema.h"

static const cyaml_strval_t answer_choices[] = {{"unknown", INLAY_NIC_UNKNOWN},
						{"no", INLAY_NIC_NO},
						{"yes", INLAY_NIC_YES},
						{"ask", INLAY_NIC_ASK}};
static const cyaml_strval_t limit_choices[] = {{"unknown", INLAY_NIC_LIMIT_UNKNOWN},
					       {"none", INLAY_NIC_LIMIT_NONE},
					       {"ask", INLAY_NIC_LIMIT_ASK}};
static const cyaml_strval_t placement_choices[] = {{"conventional", INLAY_NIC_PLACE_CONVENTIONAL},
						   {"user", INLAY_NIC_PLACE_USER},
						   {"kernel", INLAY_NIC_PLACE_KERNEL},
						   {"nic", INLAY_NIC_PLACE_NIC}};
static const cyaml_strval_t hook_choices[] = {
	{"socket", INLAY_NIC_HOOK_SOCKET},	     {"tc", INLAY_NIC_HOOK_TC},
	{"xdp-generic", INLAY_NIC_HOOK_XDP_GENERIC}, {"xdp-native", INLAY_NIC_HOOK_XDP_NATIVE},
	{"xdp-offload", INLAY_NIC_HOOK_XDP_OFFLOAD}, {"tc-offload", INLAY_NIC_HOOK_TC_OFFLOAD},
	{"af-xdp", INLAY_NIC_HOOK_AF_XDP},	     {"dpdk", INLAY_NIC_HOOK_DPDK}};
static const cyaml_strval_t provider_choices[] = {{"local", INLAY_NIC_PROVIDER_LOCAL},
						  {"softnic", INLAY_NIC_PROVIDER_SOFTNIC},
						  {"driver", INLAY_NIC_PROVIDER_DRIVER}};
static const cyaml_strval_t program_choices[] = {{"xdp", 0}, {"sched_cls", 1}};
static const cyaml_strval_t rule_choices[] = {
#define WORD_ALWAYS(id)
#define WORD_FIELD(id)
#define WORD_LISTED(id)		 {#id, 0},
#define RULE(id, how, when, ...) WORD_##when(id)
#include "check_rules.def"
#undef RULE
#undef WORD_ALWAYS
#undef WORD_FIELD
#undef WORD_LISTED
};
static const cyaml_strval_t capability_choices[] = {
#define ANSWER(name, ...) {#name, INLAY_NIC_CAP_##name},
	INLAY_NIC_CAPABILITIES(ANSWER)
#undef ANSWER
};

#define N(array)     ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define NAME_ROOM    (INLAY_NIC_NAME - 1)
#define PATTERN_ROOM (INLAY_NIC_PATTERN - 1)
#define TEXT_ROOM    (INLAY_NIC_TEXT - 1)
#define NOTES_ROOM   1023
#define OPCODES	     256

/* --- For libcyaml ----------------------------------------------------------------------------- */

#define MUST	  CYAML_FLAG_DEFAULT
#define MAY	  CYAML_FLAG_OPTIONAL
#define MUST_TEXT CYAML_FLAG_POINTER
#define MAY_TEXT  (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t value_fields[] = {
	CYAML_FIELD_ENUM("value", CYAML_FLAG_STRICT, struct inlay_raw_value, value, answer_choices,
			 N(answer_choices)),
	CYAML_FIELD_STRING_PTR("source", MUST_TEXT, struct inlay_raw_value, source, 1, TEXT_ROOM),
	CYAML_FIELD_END};
static const cyaml_schema_field_t limit_fields[] = {
	CYAML_FIELD_STRING_PTR("value", MUST_TEXT, struct inlay_raw_limit, value, 1, NAME_ROOM),
	CYAML_FIELD_STRING_PTR("source", MUST_TEXT, struct inlay_raw_limit, source, 1, TEXT_ROOM),
	CYAML_FIELD_END};
static const cyaml_schema_value_t name_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, NAME_ROOM)};
static const cyaml_schema_value_t pattern_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PATTERN_ROOM)};
static const cyaml_schema_value_t number_entry = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, __s64)};
static const cyaml_schema_value_t capability_entry = {
	CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, __u32, capability_choices, N(capability_choices))};

/* A list within a struct that keeps its count beside it. */
#define LIST(key, flags, of, entry, most)                                                          \
	CYAML_FIELD_SEQUENCE_COUNT(#key, (flags) | CYAML_FLAG_POINTER, RAW, key.list,              \
				   key.list_count, &(entry), 1, most)

#define RAW struct inlay_raw_match
static const cyaml_schema_field_t match_fields[] = {
	LIST(drivers, MUST, char *, pattern_entry, INLAY_NIC_MATCHES),
	LIST(pci, MAY, char *, name_entry, INLAY_NIC_PCI_IDS),
	LIST(boards, MAY, char *, pattern_entry, INLAY_NIC_MATCHES),
	CYAML_FIELD_STRING_PTR("firmware", MAY_TEXT, RAW, firmware, 1, PATTERN_ROOM),
	CYAML_FIELD_END};
#undef RAW

#define ANSWER(name, ...) CYAML_FIELD_MAPPING(#name, MUST, RAW, name, value_fields),
#define LIMIT(name, ...)  CYAML_FIELD_MAPPING(#name, MUST, RAW, name, limit_fields),
#define RAW		  struct inlay_raw_capabilities
static const cyaml_schema_field_t capabilities_fields[] = {INLAY_NIC_CAPABILITIES(ANSWER)
								   CYAML_FIELD_END};
#undef RAW

#define RAW struct inlay_raw_choice
static const cyaml_schema_field_t choice_fields[] = {
	CYAML_FIELD_ENUM("placement", CYAML_FLAG_STRICT, RAW, placement, placement_choices,
			 N(placement_choices)),
	CYAML_FIELD_ENUM("hook", CYAML_FLAG_STRICT, RAW, hook, hook_choices, N(hook_choices)),
	CYAML_FIELD_ENUM("provider", CYAML_FLAG_STRICT, RAW, provider, provider_choices,
			 N(provider_choices)),
	CYAML_FIELD_SEQUENCE("needs", MAY_TEXT, RAW, needs, &capability_entry, 1, INLAY_NIC_NEEDS),
	CYAML_FIELD_STRING_PTR("why", MUST_TEXT, RAW, why, 1, TEXT_ROOM),
	CYAML_FIELD_END};
#undef RAW
static const cyaml_schema_value_t choice_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct inlay_raw_choice, choice_fields)};

#define RAW struct inlay_raw_helper
static const cyaml_schema_field_t helper_fields[] = {
	CYAML_FIELD_STRING_PTR("name", MUST_TEXT, RAW, name, 1, NAME_ROOM),
	CYAML_FIELD_ENUM("value", CYAML_FLAG_STRICT, RAW, value, answer_choices, N(answer_choices)),
	CYAML_FIELD_STRING_PTR("source", MUST_TEXT, RAW, source, 1, TEXT_ROOM), CYAML_FIELD_END};
#undef RAW
static const cyaml_schema_value_t helper_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct inlay_raw_helper, helper_fields)};

#define RAW struct inlay_raw_ebpf
static const cyaml_schema_field_t ebpf_fields[] = {
	CYAML_FIELD_STRING_PTR("source", MUST_TEXT, RAW, source, 1, TEXT_ROOM),
	LIST(programs, MUST, char *, name_entry, 2),
	LIST(opcodes, MAY, char *, name_entry, OPCODES),
	LIST(map_types, MAY, char *, name_entry, INLAY_NIC_FIELDS),
	LIST(xdp_reads, MAY, char *, name_entry, INLAY_NIC_FIELDS),
	LIST(tc_reads, MAY, char *, name_entry, INLAY_NIC_FIELDS),
	LIST(xdp_returns, MAY, __s64, number_entry, INLAY_NIC_FIELDS),
	LIST(tc_returns, MAY, __s64, number_entry, INLAY_NIC_FIELDS),
	CYAML_FIELD_SEQUENCE("helpers", MAY_TEXT, RAW, helpers, &helper_entry, 1,
			     INLAY_NIC_HELPERS),
	LIST(rules, MAY, char *, name_entry, INLAY_NIC_RULES),
	INLAY_NIC_EBPF_ANSWERS(ANSWER) INLAY_NIC_EBPF_LIMITS(LIMIT) CYAML_FIELD_END};
#undef RAW
#undef ANSWER
#undef LIMIT

#define RAW struct inlay_raw_profile
static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_STRING_PTR("name", MUST_TEXT, RAW, name, 1, NAME_ROOM),
	CYAML_FIELD_STRING_PTR("title", MUST_TEXT, RAW, title, 1, PATTERN_ROOM),
	CYAML_FIELD_STRING_PTR("notes", MAY_TEXT, RAW, notes, 1, NOTES_ROOM),
	CYAML_FIELD_MAPPING("match", MUST, RAW, match, match_fields),
	CYAML_FIELD_MAPPING("capabilities", MUST, RAW, capabilities, capabilities_fields),
	CYAML_FIELD_SEQUENCE("prefer", CYAML_FLAG_POINTER, RAW, prefer, &choice_entry, 1,
			     INLAY_NIC_CHOICES),
	CYAML_FIELD_MAPPING_PTR("ebpf", MAY_TEXT, RAW, ebpf, ebpf_fields),
	CYAML_FIELD_END};
#undef RAW

const struct cyaml_schema_value inlay_nic_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct inlay_raw_profile, top_fields)};

/* --- For our own checks, and the documents ---------------------------------------------------- */

#define OPTION(key, kind, say, ...)                                                                \
	{.path = (key), .type = INLAY_YAML_TYPE_##kind, .text = (say), __VA_ARGS__},
#define CHOOSE(array)	  .choices = (array), .n_choices = N(array)
#define REQUIRED	  .required = true
#define UP_TO(n)	  .maximum = (n)
#define LONGEST(n)	  .longest = (n)
#define FROM_TO(from, to) .minimum = (from), .maximum = (to)
#define SOURCE(path)	  OPTION(path ".source", TEXT, NULL, REQUIRED, LONGEST(TEXT_ROOM))

#define ANSWER(name, question, say)                                                                \
	OPTION(SECTION #name, SECTION, say, REQUIRED)                                              \
	OPTION(SECTION #name ".value", CHOICE, NULL, REQUIRED, CHOOSE(answer_choices))             \
	SOURCE(SECTION #name)
#define LIMIT(name, most, say)                                                                     \
	OPTION(SECTION #name, SECTION, say, REQUIRED)                                              \
	OPTION(SECTION #name ".value", LIMIT, NULL, REQUIRED, CHOOSE(limit_choices),               \
	       FROM_TO(0, most))                                                                   \
	SOURCE(SECTION #name)

/* clang-format off */
static const struct inlay_yaml_option options[] = {
	OPTION("name", TEXT, "the profile's name: the file's, without .yaml", REQUIRED,
	       LONGEST(NAME_ROOM))
	OPTION("title", TEXT, "the NIC's name, for people", REQUIRED, LONGEST(PATTERN_ROOM))
	OPTION("notes", TEXT, "what an operator should know besides", LONGEST(NOTES_ROOM))
	OPTION("match", SECTION, "how devices of this kind are recognised", REQUIRED)
	OPTION("match.drivers", TEXT_LIST, "patterns of the kernel driver's name, as fnmatch(3) has "
	       "them; * is for devices that no other profile speaks of", REQUIRED,
	       UP_TO(INLAY_NIC_MATCHES), LONGEST(PATTERN_ROOM))
	OPTION("match.pci", TEXT_LIST, "vendor:device in hexadecimal; without it any device of the "
	       "drivers", UP_TO(INLAY_NIC_PCI_IDS), LONGEST(NAME_ROOM))
	OPTION("match.boards", TEXT_LIST, "patterns of the board.id that devlink tells",
	       UP_TO(INLAY_NIC_MATCHES), LONGEST(PATTERN_ROOM))
	OPTION("match.firmware", TEXT, "pattern of the firmware version that the values hold for",
	       LONGEST(PATTERN_ROOM))
	OPTION("capabilities", SECTION, "what the NIC can do; every one of them is to be given, each "
	       "with value and source", REQUIRED)
#define SECTION "capabilities."
	INLAY_NIC_CAPABILITIES(ANSWER)
#undef SECTION
	OPTION("prefer", SECTION_LIST, "ways to use the NIC, best first; the first of which every need "
	       "is met is taken", REQUIRED, UP_TO(INLAY_NIC_CHOICES))
	OPTION("prefer.placement", CHOICE, "where media is forwarded: conventional, user, kernel or nic",
	       REQUIRED, CHOOSE(placement_choices))
	OPTION("prefer.hook", CHOICE, "what the forwarder hangs on: socket, tc, xdp-generic, "
	       "xdp-native, xdp-offload, tc-offload, af-xdp or dpdk", REQUIRED, CHOOSE(hook_choices))
	OPTION("prefer.provider", CHOICE, "who opens and seals packets: local (the process itself), "
	       "softnic (the DPDK process below the hook) or driver", REQUIRED,
	       CHOOSE(provider_choices))
	OPTION("prefer.needs", CHOICE_LIST, "capabilities that must be yes, or asked for and found",
	       CHOOSE(capability_choices), UP_TO(INLAY_NIC_NEEDS))
	OPTION("prefer.why", TEXT, "the reason, for people", REQUIRED, LONGEST(TEXT_ROOM))
	OPTION("ebpf", SECTION, "what a program must keep to, to run on the NIC itself; left out for "
	       "NICs that run none")
	OPTION("ebpf.source", TEXT, "where the lists of this section come from", REQUIRED,
	       LONGEST(TEXT_ROOM))
	OPTION("ebpf.programs", CHOICE_LIST, "types of program: xdp, sched_cls", REQUIRED,
	       CHOOSE(program_choices), UP_TO(2))
	OPTION("ebpf.opcodes", TEXT_LIST, "opcodes that the device has, as 0x07; without it every one",
	       UP_TO(OPCODES), LONGEST(NAME_ROOM))
	OPTION("ebpf.map_types", TEXT_LIST, "types of map, as in BPF_MAP_TYPE_ARRAY: array; without it "
	       "every one", UP_TO(INLAY_NIC_FIELDS), LONGEST(NAME_ROOM))
	OPTION("ebpf.xdp_reads", TEXT_LIST, "fields of struct xdp_md that may be read; without it every "
	       "one", UP_TO(INLAY_NIC_FIELDS), LONGEST(NAME_ROOM))
	OPTION("ebpf.tc_reads", TEXT_LIST, "fields of struct __sk_buff that may be read; without it "
	       "every one", UP_TO(INLAY_NIC_FIELDS), LONGEST(NAME_ROOM))
	OPTION("ebpf.xdp_returns", NUMBER_LIST, "verdicts of XDP programs; without it every one",
	       FROM_TO(-1, INLAY_NIC_FIELDS))
	OPTION("ebpf.tc_returns", NUMBER_LIST, "verdicts of tc programs; without it every one",
	       FROM_TO(-1, INLAY_NIC_FIELDS))
	OPTION("ebpf.helpers", SECTION_LIST, "helpers that a program may call; without it every one",
	       UP_TO(INLAY_NIC_HELPERS))
	OPTION("ebpf.helpers.name", TEXT, "the helper, without bpf_", REQUIRED, LONGEST(NAME_ROOM))
	OPTION("ebpf.helpers.value", CHOICE, "whether the NIC has it", REQUIRED,
	       CHOOSE(answer_choices))
	SOURCE("ebpf.helpers")
	OPTION("ebpf.rules", CHOICE_LIST, "rules of inlayctl nic check that hold for the NIC besides those "
	       "of every device and those that follow from the fields here",
	       CHOOSE(rule_choices), UP_TO(INLAY_NIC_RULES))
#define SECTION "ebpf."
	INLAY_NIC_EBPF_ANSWERS(ANSWER)
	INLAY_NIC_EBPF_LIMITS(LIMIT)
#undef SECTION
};
/* clang-format on */

const struct inlay_yaml_schema inlay_nic_options = {.options = options, .n = N(options)};
