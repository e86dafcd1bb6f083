/* What a queue gives to a client in C: consumes, or publishes with confirms, and prints what it took.
 *
 *   client consume QUEUE COUNT PREFETCH ACK_EACH
 *   client publish QUEUE COUNT BODY_BYTES
 *   client steady QUEUE RATE SECONDS BODY_BYTES PREFIX   PREFIX opens the body, a 19-digit moment in ns follows
 *
 * The broker: BENCHMARK_HOST, BENCHMARK_PORT, BENCHMARK_USER, BENCHMARK_PASSWORD, BENCHMARK_VHOST.
 * Any surprise ends it with a sentence and status 1: a figure of half a run is worth nothing.
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define CHANNEL 1
#define UNCONFIRMED_MAX 5000
#define BODY_BYTES_MAX 65536
#define CONFIRM_S_MAX 60

static void stop(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static const char *setting(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) stop("%s is not set.", name);
  return value;
}

static double now_s(clockid_t clock) {
  struct timespec moment;
  clock_gettime(clock, &moment);
  return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

static int64_t now_ns(void) {
  struct timespec moment;
  clock_gettime(CLOCK_MONOTONIC, &moment);
  return (int64_t)moment.tv_sec * 1000000000 + moment.tv_nsec;
}

static void check(amqp_connection_state_t connection, const char *step) {
  amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) stop("%s failed (reply type %d).", step, (int)reply.reply_type);
}

static amqp_connection_state_t connect_broker(void) {
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  if (socket == NULL) stop("No socket.");
  if (amqp_socket_open(socket, setting("BENCHMARK_HOST"), atoi(setting("BENCHMARK_PORT"))) != AMQP_STATUS_OK)
    stop("The broker cannot be reached.");
  amqp_rpc_reply_t reply = amqp_login(connection, setting("BENCHMARK_VHOST"), 0, 131072, 0, AMQP_SASL_METHOD_PLAIN,
                                      setting("BENCHMARK_USER"), setting("BENCHMARK_PASSWORD"));
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) stop("The broker refused the login.");
  amqp_channel_open(connection, CHANNEL);
  check(connection, "channel.open");
  return connection;
}

static void print_result(double begun_s, double begun_cpu_s, long count) {
  printf("{\"seconds\": %.6f, \"cpu_s\": %.6f, \"events\": %ld}\n", now_s(CLOCK_MONOTONIC) - begun_s,
         now_s(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_s, count);
}

static void consume(const char *queue, long count, int prefetch, long ack_each) {
  amqp_connection_state_t connection = connect_broker();
  double begun_s = now_s(CLOCK_MONOTONIC), begun_cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
  uint64_t bytes = 0;
  amqp_basic_qos(connection, CHANNEL, 0, (uint16_t)prefetch, 0);
  check(connection, "basic.qos");
  amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  check(connection, "basic.consume");
  for (long got = 1; got <= count; got++) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, NULL, 0);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) stop("Message %ld did not arrive.", got);
    bytes += envelope.message.body.len;
    if (got % ack_each == 0 || got == count) {
      if (amqp_basic_ack(connection, CHANNEL, envelope.delivery_tag, 1) != 0) stop("basic.ack failed.");
    }
    amqp_destroy_envelope(&envelope);
  }
  /* A round trip, so that the last acknowledgement is at the broker when the clock stops. */
  amqp_basic_qos(connection, CHANNEL, 0, (uint16_t)prefetch, 0);
  print_result(begun_s, begun_cpu_s, count);
  if (bytes == 0) stop("Every body was empty.");
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
}

/* Marks what a frame confirms; returns how many are confirmed now. */
static long confirm(amqp_frame_t *frame, char *confirmed, long *lowest, long done, long published) {
  if (frame->frame_type != AMQP_FRAME_METHOD) return done;
  if (frame->payload.method.id != AMQP_BASIC_ACK_METHOD) stop("The broker did not confirm a message.");
  amqp_basic_ack_t *ack = frame->payload.method.decoded;
  long tag = (long)ack->delivery_tag;
  for (long each = ack->multiple ? *lowest : tag; each <= tag; each++) {
    if (!confirmed[each]) done++;
    confirmed[each] = 1;
  }
  while (*lowest <= published && confirmed[*lowest]) (*lowest)++;
  return done;
}

/* Reads confirms until at most `open_max` of `published` messages are unconfirmed; returns how many are confirmed. */
static long settle(amqp_connection_state_t connection, char *confirmed, long *lowest, long done, long published,
                   long open_max) {
  while (published - done > open_max) {
    amqp_frame_t frame;
    amqp_maybe_release_buffers(connection);
    if (amqp_simple_wait_frame(connection, &frame) != AMQP_STATUS_OK) stop("The connection broke.");
    done = confirm(&frame, confirmed, lowest, done, published);
  }
  return done;
}

static size_t body_of(char *body, long number, size_t length) {
  /* Digits that differ from message to message: equal bodies would compress to nothing in the log. */
  uint64_t mixed = (uint64_t)(number + 1) * 0x9E3779B97F4A7C15ULL;
  size_t used = (size_t)snprintf(body, BODY_BYTES_MAX, "{\"number\":%ld,\"text\":\"", number);
  while (used + 18 < length) {
    mixed ^= mixed >> 29;
    mixed *= 0xBF58476D1CE4E5B9ULL;
    used += (size_t)snprintf(body + used, 17, "%016llx", (unsigned long long)mixed);
  }
  while (used + 2 < length) body[used++] = 'x';
  body[used++] = '"';
  body[used++] = '}';
  return used;
}

static amqp_basic_properties_t properties_of_all(void) {
  amqp_basic_properties_t properties = {0};
  properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                      AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG;
  properties.content_type = amqp_cstring_bytes("application/json");
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  properties.type = amqp_cstring_bytes("shop.OrderPlaced");
  properties.app_id = amqp_cstring_bytes("bench");
  properties.timestamp = (uint64_t)time(NULL);
  return properties;
}

static void send_one(amqp_connection_state_t connection, const char *queue, amqp_basic_properties_t *properties,
                     long number, amqp_bytes_t content) {
  char message_id[32];
  snprintf(message_id, sizeof message_id, "bench-%015ld", number);
  properties->message_id = amqp_cstring_bytes(message_id);
  if (amqp_basic_publish(connection, CHANNEL, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0, properties, content) !=
      AMQP_STATUS_OK)
    stop("basic.publish failed.");
}

static void publish(const char *queue, long count, size_t length) {
  amqp_connection_state_t connection = connect_broker();
  double begun_s = now_s(CLOCK_MONOTONIC), begun_cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
  static char body[BODY_BYTES_MAX + 32];
  char *confirmed = calloc((size_t)count + 2, 1);
  long lowest = 1, done = 0;
  if (confirmed == NULL || length > BODY_BYTES_MAX) stop("Too much.");
  amqp_confirm_select(connection, CHANNEL);
  check(connection, "confirm.select");
  amqp_basic_properties_t properties = properties_of_all();
  for (long number = 0; number < count; number++) {
    amqp_bytes_t content = {body_of(body, number, length), body};
    send_one(connection, queue, &properties, number, content);
    if (number % 500 == 499)
      done = settle(connection, confirmed, &lowest, done, number + 1, UNCONFIRMED_MAX);
  }
  settle(connection, confirmed, &lowest, done, count, 0);
  print_result(begun_s, begun_cpu_s, count);
  free(confirmed);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
}

/* Every message carries the moment it was due: one sent late makes the system look slower, never faster. */
static void steady(const char *queue, long rate, long seconds, size_t length, const char *prefix) {
  amqp_connection_state_t connection = connect_broker();
  static char body[BODY_BYTES_MAX + 64];
  long count = rate * seconds, lowest = 1, done = 0, sent = 0;
  int64_t late_ns = 0;
  char *confirmed = calloc((size_t)count + 2, 1);
  if (confirmed == NULL || length > BODY_BYTES_MAX) stop("Too much.");
  amqp_confirm_select(connection, CHANNEL);
  check(connection, "confirm.select");
  amqp_basic_properties_t properties = properties_of_all();
  double begun_cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
  int64_t begun_ns = now_ns(), period_ns = 1000000000 / rate;
  while (done < count) {
    int64_t moment_ns = now_ns();
    while (sent < count && begun_ns + sent * period_ns <= moment_ns) {
      int64_t due_ns = begun_ns + sent * period_ns;
      if (moment_ns - due_ns > late_ns) late_ns = moment_ns - due_ns;
      size_t used = (size_t)snprintf(body, BODY_BYTES_MAX, "%s%019lld\",\"text\":\"", prefix, (long long)due_ns);
      while (used + 2 < length) body[used++] = 'x';
      body[used++] = '"';
      body[used++] = '}';
      amqp_bytes_t content = {used, body};
      send_one(connection, queue, &properties, sent++, content);
    }
    if (now_ns() > begun_ns + (seconds + CONFIRM_S_MAX) * 1000000000) stop("%ld of %ld were confirmed.", done, count);
    struct timeval tick = {0, 1000};
    amqp_frame_t frame;
    amqp_maybe_release_buffers(connection);
    int status = amqp_simple_wait_frame_noblock(connection, &frame, &tick);
    struct timeval at_once = {0, 0};
    while (status == AMQP_STATUS_OK) {
      done = confirm(&frame, confirmed, &lowest, done, sent);
      status = amqp_simple_wait_frame_noblock(connection, &frame, &at_once);
    }
    if (status != AMQP_STATUS_TIMEOUT) stop("The connection broke.");
  }
  printf("{\"events\": %ld, \"late_ms\": %.3f, \"cpu_s\": %.6f}\n", done, (double)late_ns / 1e6,
         now_s(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_s);
  free(confirmed);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
}

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "consume") == 0)
    consume(argv[2], atol(argv[3]), atoi(argv[4]), atol(argv[5]));
  else if (argc == 5 && strcmp(argv[1], "publish") == 0)
    publish(argv[2], atol(argv[3]), (size_t)atol(argv[4]));
  else if (argc == 7 && strcmp(argv[1], "steady") == 0)
    steady(argv[2], atol(argv[3]), atol(argv[4]), (size_t)atol(argv[5]), argv[6]);
  else
    stop("Usage: client consume QUEUE COUNT PREFETCH ACK_EACH | client publish QUEUE COUNT BODY_BYTES | "
         "client steady QUEUE RATE SECONDS BODY_BYTES PREFIX");
  return 0;
}
