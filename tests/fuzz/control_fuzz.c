/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests on the control socket: each is answered with one well-formed answer. */
#include <stdint.h>
#include <stdlib.h>

#include "control_socket.h"

static json_t *status(void *user, const json_t *request, const char **ret_error)
{
	return json_deep_copy(request);
}

static const struct inlay_control_command commands[] = {{"status", status}, {0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool close_after;
	json_t *answer;
	char *text;

	if (size > INLAY_CONTROL_REQUEST_MAX)
		return 0;
	text = inlay_control_answer((const char *)data, size, commands, NULL, &close_after);
	answer = text ? json_loads(text, 0, NULL) : NULL;
	if (!answer || json_integer_value(json_object_get(answer, "version")) != 1)
		abort();
	if (json_is_true(json_object_get(answer, "ok")) ==
	    json_is_string(json_object_get(answer, "error")))
		abort();
	json_decref(answer);
	free(text);
	return 0;
}
