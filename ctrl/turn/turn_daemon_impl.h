/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of inlay-turn: shared by ctrl/turn/turn_*.c alone. */
#ifndef INLAY_TURN_DAEMON_IMPL_H
#define INLAY_TURN_DAEMON_IMPL_H

#include "control_socket.h"
#include "learner.h"
#include "loop.h"
#include "turn_daemon.h"
#include "turn_metrics.h"

struct inlay_turn_daemon {
	struct inlay_turn_options options;
	struct inlay_loop *loop;
	struct inlay_control *control;
	struct inlay_turn_metrics *metrics; /* NULL: none */
	struct inlay_turn *turn;
	struct inlay_turn_learner *learner;
	struct inlay_watch watch; /* of |turn| */
	enum inlay_turn_mode mode;
	inlay_ns started;
};

/* Where the learner's decisions go. */
extern const struct inlay_turn_learner_ops inlay_turn_daemon_ops;
/* What the library hands over goes to the learner; |user| of both is the daemon. */
extern const struct inlay_turn_listener inlay_turn_daemon_listener;

/* Attaches, or detaches (INLAY_TURN_OFF) and forgets what was learnt. The programs stay loaded:
 * to verify them anew takes the kernel seconds. */
void inlay_turn_daemon_set_mode(struct inlay_turn_daemon *d, enum inlay_turn_mode mode);
/* Of the one list, those that this program counts. */
bool inlay_turn_daemon_is_reason(__u32 reason);
const char *inlay_turn_daemon_mode_name(enum inlay_turn_mode mode);

/* turn_answers.c; |user| is the daemon. */
extern const struct inlay_control_command inlay_turn_daemon_commands[];

#endif
