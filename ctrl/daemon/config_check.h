/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be said of a configuration file key by key, with its line. Internal to config.c. */
#ifndef INLAY_DAEMON_CONFIG_CHECK_H
#define INLAY_DAEMON_CONFIG_CHECK_H

#include "yaml_index.h"

struct inlay_config_complaint {
	__u32 line; /* 0: of the file as a whole */
	char text[480];
};

/* Unknown and repeated keys, kinds, numbers and their ranges, choices, lengths. 0; -EINVAL. */
int inlay_config_check(const struct inlay_yaml_index *index,
		       struct inlay_config_complaint *ret_complaint);
/* Writes a complaint about |path| with its line, or without one if the file does not have it;
 * returns -EINVAL. */
int inlay_config_complain(const struct inlay_yaml_index *index, const char *path,
			  struct inlay_config_complaint *ret_complaint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
