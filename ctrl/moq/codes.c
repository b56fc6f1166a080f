/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of the codes in codes.h. */
#include "codes.h"

#define INLAY_MOQ_CODE(name, value, text)                                                          \
	case value:                                                                                \
		return text;

const char *inlay_moq_session_error_text(__u64 code)
{
	switch (code) {
		INLAY_MOQ_SESSION_ERRORS(INLAY_MOQ_CODE)
	default:
		return "unknown session error";
	}
}

const char *inlay_moq_request_code_text(__u64 code)
{
	switch (code) {
		INLAY_MOQ_REQUEST_CODES(INLAY_MOQ_CODE)
	default:
		return "unknown request error";
	}
}

const char *inlay_moq_done_code_text(__u64 code)
{
	switch (code) {
		INLAY_MOQ_DONE_CODES(INLAY_MOQ_CODE)
	default:
		return "unknown status";
	}
}

const char *inlay_moq_reset_code_text(__u64 code)
{
	switch (code) {
		INLAY_MOQ_RESET_CODES(INLAY_MOQ_CODE)
	default:
		return "unknown stream error";
	}
}
