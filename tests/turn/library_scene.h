/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network namespace of the test's own with a veth pair, the library opened in it, and what the
 * kernel holds for this process. For tests against the kernel.
 */
#ifndef INLAY_TESTS_TURN_LIBRARY_SCENE_H
#define INLAY_TESTS_TURN_LIBRARY_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inlay_turn.h"
#include "watch.h"

/* Skips (77) without the privilege for all this; else 0. |argv|: the BPF object, and one that is
 * none of inlay-turn's. */
int scene_begin(int argc, char **argv);
extern const char *scene_object, *scene_other_object;

/* cmocka's setup: "srv" (192.0.2.1/24, 2001:db8::1/64) and "far", both up, and lo. */
int scene_make(void **state);

/* Runs a shell command, which has to succeed. */
void scene_run(const char *command);
inlay_ns scene_now(void);
struct inlay_addr scene_v4(const char *ip, __u16 port);

/* With the scene's object, and few places if |config| does not say. */
struct inlay_turn *scene_open(const struct inlay_turn_config *config);
struct inlay_turn *scene_open_plainly(void);
/* Fails with this, says so with |part| in its line, and leaves nothing behind. */
void scene_open_fails(const struct inlay_turn_config *config, int err, const char *part);
bool scene_has_link(const struct inlay_turn *turn, const char *name,
		    struct inlay_turn_link_info *ret_info);
struct inlay_turn_link_info scene_link(const struct inlay_turn *turn, const char *name);

enum { SCENE_IDS = 128 };

/* Objects of the kernel's that this process holds open. */
struct scene_ids {
	__u32 maps[SCENE_IDS], programs[SCENE_IDS], links[SCENE_IDS];
	int n_maps, n_programs, n_links;
};
void scene_read_ids(struct scene_ids *ids);
/* They are gone from the kernel, too; and this process holds no other. */
void scene_assert_gone(const struct scene_ids *ids);
/* Closes, and asserts all that. */
void scene_close(struct inlay_turn *turn);

/* A map of this process's by its name: a descriptor, to be closed. */
int scene_map(const char *name);
/* A program, the same. */
int scene_program(const char *name);
__u32 scene_count_keys(const char *map);
struct inlay_turn_control scene_control(void);

#endif
