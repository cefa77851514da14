/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>
#include "capture/go_code.h"
#include "capture/pcapfile.h"
#include "cmd/cmd.h"
#include "export/otlp_post.h"
#include "proto/proto.h"
#include "top/screen.h"
#include "version.h"

int cmd_version(const struct cmd_args *a)
{
	printf("sonde %s (commit %s)\n", SONDE_VERSION, SONDE_COMMIT);
	printf("protocols:");
	for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++)
		printf(" %s", proto_get((enum proto_id)id)->name);
	printf("\ncapture:   socket syscall\n");
	printf("libraries: libbpf %s, libmicrohttpd %s, libyaml %s, jansson %s, zlib %s, %s\n",
	       libbpf_version_string(), MHD_get_version(), yaml_get_version_string(),
	       jansson_version_str(), zlibVersion(), pcapfile_library());
	if (otlp_post_library())
		printf("otlp:      http/protobuf http/json grpc (libcurl %s)\n",
		       otlp_post_library());
	printf("not built: %s%s%spropagation, kubernetes\n", otlp_post_library() ? "" : "otlp, ",
	       go_code_library() ? "" : "tls of go, ",
	       screen_is_built() ? "" : "top's live view, ");
	return EXIT_DONE;
}
