/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every option of inlay-turn, once: struct inlay_turn_options, the schema, the defaults and the
 * checks come from these lists. docs/man/inlay-turn.yaml.5 tells what each does.
 *
 * NUMBER(name, default, minimum, maximum)   TEXT(name)   CHOICE(name, default, choices)
 */
#ifndef INLAY_TURN_OPTIONS_H
#define INLAY_TURN_OPTIONS_H

#define INLAY_TURN_SOCKET "/run/inlay-turn.sock" /* control_socket's default */

#define INLAY_TURN_OPTIONS_TEXT(TEXT)                                                              \
	TEXT(netns)                                                                                \
	TEXT(control_socket)                                                                       \
	TEXT(metrics)                                                                              \
	TEXT(object)

#define INLAY_TURN_OPTIONS_CHOICE(CHOICE)                                                          \
	CHOICE(attach, INLAY_TURN_ATTACH_AUTO, attach_choices)                                     \
	CHOICE(observe, 0, truth_choices)                                                          \
	CHOICE(log_level, INLAY_LOG_INFO, log_choices)

#define INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)                                                       \
	NUMBER(channel_s, 600, 1, 86400)                                                           \
	NUMBER(permission_s, 300, 1, 86400)

#define INLAY_TURN_OPTIONS_LIMITS(NUMBER)                                                          \
	NUMBER(packets_per_s, 0, 0, 1000000000)                                                    \
	NUMBER(bytes_per_s, 0, 0, 4294967295)                                                      \
	NUMBER(channels, 16384, 1, 1 << 17)                                                        \
	NUMBER(allocations, 8192, 1, 1 << 17)                                                      \
	NUMBER(transactions, 65536, 64, 1 << 20)

#endif
