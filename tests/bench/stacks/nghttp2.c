/* nghttp2: both roles in memory. The work is that of src/lib.rs. */

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 32
#define WINDOW (1 << 20)
#define NV(n, v) {(uint8_t *)n, (uint8_t *)v, sizeof(n) - 1, sizeof(v) - 1, \
                  NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}

static nghttp2_session *client, *server;
static size_t at_once, size, received, open_streams;
static struct { uint8_t *bytes; size_t len, room; } to_server, to_client;
static uint8_t content[1 << 14];

static void check(long result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nghttp2_strerror((int)result));
        exit(1);
    }
}

static void drain(nghttp2_session *session, typeof(to_server) *pipe) {
    const uint8_t *bytes;
    ssize_t len;
    while ((len = nghttp2_session_mem_send(session, &bytes)) > 0) {
        if (pipe->len + (size_t)len > pipe->room) {
            pipe->room = 2 * (pipe->len + (size_t)len);
            pipe->bytes = realloc(pipe->bytes, pipe->room);
        }
        memcpy(pipe->bytes + pipe->len, bytes, (size_t)len);
        pipe->len += (size_t)len;
    }
    check(len, "mem_send");
}

static ssize_t read_content(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t room, uint32_t *flags,
                            nghttp2_data_source *source, void *user) {
    size_t left = (size_t)nghttp2_session_get_stream_user_data(session, id);
    size_t len = left < room ? left : room;
    (void)source, (void)user;
    if (len > sizeof content) len = sizeof content;
    memcpy(buffer, content, len);
    nghttp2_session_set_stream_user_data(session, id, (void *)(left - len));
    if (len == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static int on_request(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    static const nghttp2_nv fields[] = {
        NV(":status", "200"), NV("content-type", "text/css"), NV("content-length", "1024"),
        NV("etag", "\"6f0c2d0a9f0c2d0a\""), NV("cache-control", "max-age=3600"), NV("server", "stack")};
    /* The length of the large response is another one, which nobody checks on the side that sends. */
    static const nghttp2_nv unknown[] = {
        NV(":status", "200"), NV("content-type", "text/css"), NV("etag", "\"6f0c2d0a9f0c2d0a\""),
        NV("cache-control", "max-age=3600"), NV("server", "stack")};
    nghttp2_data_provider provider = {{0}, read_content};
    (void)user;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, (void *)size);
        if (size == 1024) check(nghttp2_submit_response(session, frame->hd.stream_id, fields, 6, &provider), "response");
        else check(nghttp2_submit_response(session, frame->hd.stream_id, unknown, 5, &provider), "response");
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user) {
    (void)session, (void)flags, (void)id, (void)data, (void)user;
    received += len;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    (void)session, (void)id, (void)code, (void)user;
    open_streams--;
    return 0;
}

__attribute__((noinline)) void server_part(void) {
    check(nghttp2_session_mem_recv(server, to_server.bytes, to_server.len), "server");
    to_server.len = 0;
    drain(server, &to_client);
}

__attribute__((noinline)) void client_part(size_t requests) {
    static const nghttp2_nv fields[] = {NV(":path", "/1k"), NV(":scheme", "http"), NV(":authority", "localhost:8080"),
                                        NV(":method", "GET"), NV("user-agent", "h2load nghttp2/1.52.0")};
    check(nghttp2_session_mem_recv(client, to_client.bytes, to_client.len), "client");
    to_client.len = 0;
    for (; requests > 0; requests--) {
        check(nghttp2_submit_request(client, NULL, fields, 5, NULL, NULL), "request");
        open_streams++;
    }
    drain(client, &to_server);
}

int main(int count, char **arguments) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW};
    if (count != 3) return 2;
    size_t number = strtoul(arguments[2], NULL, 10), rounds = 1;
    if (strcmp(arguments[1], "requests") == 0) rounds = number, at_once = AT_ONCE, size = 1024;
    else at_once = 1, size = number << 20;
    to_client.bytes = malloc(to_client.room = 1), to_server.bytes = malloc(to_server.room = 1);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_request);
    nghttp2_session_server_new(&server, callbacks, NULL);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&client, callbacks, NULL);
    check(nghttp2_submit_settings(server, 0, NULL, 0), "settings");
    check(nghttp2_submit_settings(client, 0, &window, 1), "settings");
    check(nghttp2_session_set_local_window_size(client, 0, 0, WINDOW), "window");
    for (size_t round = 0; round < rounds; round++) {
        client_part(at_once);
        while (open_streams > 0) {
            server_part();
            client_part(0);
        }
    }
    if (received != rounds * at_once * size) {
        fprintf(stderr, "%zu bytes\n", received);
        return 1;
    }
    return 0;
}
