/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests on the control socket: each is answered with one well-formed answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control_socket.h"

static json_t *command(void *user, const char *name, const json_t *request, const char **ret_error)
{
	if (!strcmp(name, "status"))
		return json_deep_copy(request);
	*ret_error = "no such command";
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool close_after;
	json_t *answer;
	char *text;

	if (size > INLAY_CONTROL_REQUEST_MAX)
		return 0;
	text = inlay_control_answer((const char *)data, size, command, NULL, &close_after);
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
