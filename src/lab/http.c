/* libmicrohttpd with one thread of its own, which sleeps until somebody asks. */
#include "lab/http.h"

#include <bramble/base/error.h>

#ifdef BR_HAVE_HTTP

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONNECTIONS 32
#define IDLE_SECONDS 15

struct br_http {
  struct MHD_Daemon *daemon;
  br_http_page *page;
  void *arg;
};

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *data, size_t *data_bytes, void **state) {
  struct br_http *http = arg;
  size_t bytes = 0;
  const char *type = "text/plain";
  bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
  (void)version, (void)data, (void)state;
  *data_bytes = 0;
  char *text = reads ? http->page(http->arg, url, &bytes, &type) : NULL;
  static char nothing[] = "not here\n", only[] = "only to be read\n";
  struct MHD_Response *response = text ? MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE)
                                       : MHD_create_response_from_buffer(strlen(reads ? nothing : only), reads ? nothing : only, MHD_RESPMEM_PERSISTENT);
  if (!response) {
    free(text);
    return MHD_NO;
  }
  MHD_add_response_header(response, "Content-Type", type);
  MHD_add_response_header(response, "Cache-Control", "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'");
  enum MHD_Result queued = MHD_queue_response(connection, text ? MHD_HTTP_OK : reads ? MHD_HTTP_NOT_FOUND : MHD_HTTP_METHOD_NOT_ALLOWED, response);
  MHD_destroy_response(response);
  return queued;
}

int br_http_open(const char *address, int port, br_http_page *page, void *arg, struct br_http **out, int *port_used) {
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  *out = NULL;
  if (inet_pton(AF_INET, address, &where.sin_addr) != 1) BR_FAIL(BR_ERROR_USAGE, "%s is not an address like 127.0.0.1", address);
  struct br_http *http = calloc(1, sizeof *http);
  if (!http) BR_FAIL(BR_ERROR_MEMORY, "no memory for a page");
  *http = (struct br_http){.page = page, .arg = arg};
  http->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, (uint16_t)port, NULL, NULL, answer, http, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&where, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
                                  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
  int why = errno;
  if (!http->daemon) {
    free(http);
    BR_FAIL(BR_ERROR_USAGE, "%s:%d cannot be served: %s; choose another port, or 0 for any that is free", address, port, strerror(why));
  }
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
  *port_used = info ? info->port : port;
  *out = http;
  return BR_OK;
}

void br_http_close(struct br_http *http) {
  if (!http) return;
  MHD_stop_daemon(http->daemon);
  free(http);
}

#else

int br_http_open(const char *address, int port, br_http_page *page, void *arg, struct br_http **out, int *port_used) {
  (void)address, (void)port, (void)page, (void)arg, (void)port_used;
  *out = NULL;
  BR_FAIL(BR_ERROR_USAGE, "this build is without libmicrohttpd, which serves pages: install libmicrohttpd-dev and build again");
}

void br_http_close(struct br_http *http) { (void)http; }

#endif
