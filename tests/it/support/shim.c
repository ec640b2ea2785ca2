/* A shim between the program and the C library, for tests on Linux: loaded by LD_PRELOAD, set by the environment.
 *
 *   SHIM_UNDER   the folder whose files are meant; nothing else is touched
 *   SHIM_LOG     record what becomes of these files, and what is sent on sockets, in this file, in one order
 *   SHIM_FAIL    KIND,ERRNO,NTH,HOW[,PART]: the NTH call of this KIND (write, sync, truncate, open, any) on a
 *                file whose path contains PART fails; HOW is `once`, `on` (all later ones too), `short`
 *                (half of it is written, all later ones fail) or `kill` (in its place, the process is killed)
 *   SHIM_WHILE   a file; calls fail, and are counted, only while it is there
 *   SHIM_CLOCK   a file that holds the seconds by which the time of day is shifted; none while it is missing
 *
 * The files that SQLite shares between processes (-shm) are left out: nobody reads them after a crash. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE = 1, TRUNCATE, CREATE, MKDIR, RENAME, REMOVE, SYNC_BEGIN, SYNC_END, SEND, FAIL };

/* What stands before path, second path and data of every record; all numbers as the machine has them. */
struct record {
    uint32_t kind, path, second, reserved;
    uint64_t id, at, data;
};

#define REAL(name) ((__typeof__(&name))real((void *volatile *)&real_##name, #name))
#define KEEP(name) static void *volatile real_##name

static void *real(void *volatile *kept, const char *name) {
    if (!*kept) *kept = dlsym(RTLD_NEXT, name);
    return *kept;
}

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char under[PATH_MAX], fail_part[256];
static const char *fail_kind, *fail_while, *clock_file;
static int log_fd = -1, fail_errno, fail_on, fail_short, fail_kill;
static long fail_nth, seen;

__attribute__((constructor)) static void start(void) {
    static char kind[16];
    char how[16] = "";
    const char *set = getenv("SHIM_UNDER");
    if (set) snprintf(under, sizeof under, "%s/", set);
    clock_file = getenv("SHIM_CLOCK");
    fail_while = getenv("SHIM_WHILE");
    if ((set = getenv("SHIM_LOG")))
        log_fd = syscall(SYS_openat, AT_FDCWD, set, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if ((set = getenv("SHIM_FAIL")) &&
        sscanf(set, "%15[^,],%d,%ld,%15[^,],%255s", kind, &fail_errno, &fail_nth, how, fail_part) >= 4) {
        fail_kind = kind;
        fail_short = !strcmp(how, "short");
        fail_kill = !strcmp(how, "kill");
        fail_on = fail_short || !strcmp(how, "on");
    }
}

static int ends_in(const char *path, const char *end) {
    size_t length = strlen(path), last = strlen(end);
    return length >= last && !strcmp(path + length - last, end);
}

static int is_meant(const char *path) {
    size_t length = strlen(under);
    /* The folder itself is meant as well as what is in it. */
    return length && (!strncmp(path, under, length) || (strlen(path) == length - 1 && !strncmp(path, under, length - 1))) &&
           !ends_in(path, "-shm") && !ends_in(path, " (deleted)");
}

/* The path of an open file, if it is one of those that are meant. */
static int path_of(int fd, char *path) {
    char link[64];
    if (!*under) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_meant(path);
}

/* `name` in the folder `dir`, as an absolute path, if it is one of those that are meant. */
static int path_at(int dir, const char *name, char *path) {
    char base[PATH_MAX] = "", link[64];
    if (!*under || !name) return 0;
    if (*name != '/') {
        if (dir == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        ssize_t length = readlink(link, base, sizeof base - 2);
        if (length <= 0) return 0;
        base[length] = '/';
        base[length + 1] = 0;
    }
    if (strlen(base) + strlen(name) >= PATH_MAX) return 0;
    strcpy(path, base);
    strcat(path, name);
    return is_meant(path);
}

static uint64_t inode(int fd) {
    struct stat it;
    return fstat(fd, &it) ? 0 : it.st_ino;
}

/* Appends a record. The caller holds `order`, so that the records stand as the calls took effect. */
static void note(uint32_t kind, uint64_t id, const char *path, const char *second, uint64_t at, const void *data, size_t length) {
    if (log_fd < 0) return;
    struct record head = {kind, path ? strlen(path) : 0, second ? strlen(second) : 0, 0, id, at, length};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)path, head.path}, {(void *)second, head.second}, {(void *)data, length}};
    int error = errno;
    if (syscall(SYS_writev, log_fd, parts, 4) != (long)(sizeof head + head.path + head.second + length)) abort();
    errno = error;
}

/* Whether this call is to fail: 0 no, 1 yes, 2 after half of it is done. */
static int fails(const char *kind, const char *path) {
    if (!fail_kind || (strcmp(fail_kind, kind) && strcmp(fail_kind, "any")) || !strstr(path, fail_part)) return 0;
    struct stat there;
    if (fail_while && stat(fail_while, &there)) return 0;
    seen++;
    if (seen < fail_nth || (seen > fail_nth && !fail_on)) return 0;
    note(FAIL, 0, path, kind, 0, NULL, 0);
    if (fail_kill) raise(SIGKILL);
    errno = fail_errno;
    return fail_short && seen == fail_nth ? 2 : 1;
}

static void lock(void) { pthread_mutex_lock(&order); }
static void unlock(void) {
    int error = errno;
    pthread_mutex_unlock(&order);
    errno = error;
}

/* Sockets */

static int is_socket(int fd) {
    int type;
    socklen_t length = sizeof type;
    int error = errno, yes = !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) && type == SOCK_STREAM;
    errno = error;
    return yes;
}

/* Before it is sent: whoever is told of a request by the network has it in the record already. */
static void note_send(int fd, const struct iovec *parts, int count) {
    if (log_fd < 0 || !is_socket(fd)) return;
    lock();
    for (int i = 0; i < count; i++) note(SEND, inode(fd), NULL, NULL, 0, parts[i].iov_base, parts[i].iov_len);
    unlock();
}

KEEP(send);
ssize_t send(int fd, const void *data, size_t length, int flags) {
    struct iovec part = {(void *)data, length};
    note_send(fd, &part, 1);
    return REAL(send)(fd, data, length, flags);
}

KEEP(sendto);
ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    struct iovec part = {(void *)data, length};
    note_send(fd, &part, 1);
    return REAL(sendto)(fd, data, length, flags, to, size);
}

KEEP(sendmsg);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    note_send(fd, message->msg_iov, message->msg_iovlen);
    return REAL(sendmsg)(fd, message, flags);
}

/* Writing */

KEEP(pwrite64);
KEEP(write);
KEEP(writev);

static ssize_t write_at(int fd, const char *path, const void *data, size_t length, off_t at) {
    lock();
    int failing = fails("write", path);
    ssize_t written = -1;
    if (failing == 2) length = length > 1 ? length / 2 : 1;
    if (failing != 1) written = REAL(pwrite64)(fd, data, length, at);
    if (written > 0) note(WRITE, inode(fd), path, NULL, at, data, written);
    unlock();
    return written;
}

static ssize_t write_here(int fd, const char *path, const void *data, size_t length) {
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t written = write_at(fd, path, data, length, at);
    if (written > 0) lseek(fd, at + written, SEEK_SET);
    return written;
}

ssize_t write(int fd, const void *data, size_t length) {
    char path[PATH_MAX];
    if (path_of(fd, path)) return write_here(fd, path, data, length);
    struct iovec part = {(void *)data, length};
    note_send(fd, &part, 1);
    return REAL(write)(fd, data, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) {
        note_send(fd, parts, count);
        return REAL(writev)(fd, parts, count);
    }
    ssize_t all = 0;
    for (int i = 0; i < count; i++) {
        ssize_t written = write_here(fd, path, parts[i].iov_base, parts[i].iov_len);
        if (written < 0) return all ? all : -1;
        all += written;
        if ((size_t)written < parts[i].iov_len) break;
    }
    return all;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) {
    char path[PATH_MAX];
    return path_of(fd, path) ? write_at(fd, path, data, length, at) : REAL(pwrite64)(fd, data, length, at);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return pwrite64(fd, data, length, at); }

KEEP(ftruncate64);
int ftruncate64(int fd, off_t size) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(ftruncate64)(fd, size);
    lock();
    int result = fails("truncate", path) ? -1 : REAL(ftruncate64)(fd, size);
    if (!result) note(TRUNCATE, inode(fd), path, NULL, size, NULL, 0);
    unlock();
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* Copying in the kernel would pass the shim by: the callers then read and write. */
ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t length, unsigned flags) {
    (void)in, (void)in_at, (void)out, (void)out_at, (void)length, (void)flags;
    errno = ENOSYS;
    return -1;
}

ssize_t sendfile64(int out, int in, off_t *at, size_t count) {
    (void)out, (void)in, (void)at, (void)count;
    errno = ENOSYS;
    return -1;
}

ssize_t sendfile(int out, int in, off_t *at, size_t count) { return sendfile64(out, in, at, count); }

/* Syncing: what it makes durable are the writes before its beginning, once it has ended. */

static int synced(int fd, int (*sync)(int)) {
    static uint64_t syncs;
    char path[PATH_MAX];
    if (!path_of(fd, path)) return sync(fd);
    lock();
    uint64_t number = ++syncs;
    int failing = fails("sync", path);
    if (!failing) note(SYNC_BEGIN, inode(fd), path, NULL, number, NULL, 0);
    unlock();
    if (failing) return -1;
    int result = sync(fd);
    lock();
    if (!result) note(SYNC_END, inode(fd), path, NULL, number, NULL, 0);
    unlock();
    return result;
}

KEEP(fsync);
int fsync(int fd) { return synced(fd, REAL(fsync)); }
KEEP(fdatasync);
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

/* Names */

KEEP(openat64);
static int opened(int dir, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !path_at(dir, name, path)) return REAL(openat64)(dir, name, flags, mode);
    lock();
    struct stat before;
    int was = !fstatat(dir, name, &before, 0);
    int fd = -1;
    if (was || !fails("open", path)) fd = REAL(openat64)(dir, name, flags, mode);
    if (fd >= 0 && !was) note(CREATE, inode(fd), path, NULL, 0, NULL, 0);
    if (fd >= 0 && was && flags & O_TRUNC) note(TRUNCATE, inode(fd), path, NULL, 0, NULL, 0);
    unlock();
    return fd;
}

#define MODE(flags, mode)                    \
    mode_t mode = 0;                         \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list rest;                        \
        va_start(rest, flags);               \
        mode = va_arg(rest, mode_t);         \
        va_end(rest);                        \
    }

int openat64(int dir, const char *name, int flags, ...) { MODE(flags, mode) return opened(dir, name, flags, mode); }
int openat(int dir, const char *name, int flags, ...) { MODE(flags, mode) return opened(dir, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags, mode) return opened(AT_FDCWD, name, flags, mode); }
int open(const char *name, int flags, ...) { MODE(flags, mode) return opened(AT_FDCWD, name, flags, mode); }

KEEP(mkdirat);
int mkdirat(int dir, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!path_at(dir, name, path)) return REAL(mkdirat)(dir, name, mode);
    lock();
    int result = fails("open", path) ? -1 : REAL(mkdirat)(dir, name, mode);
    struct stat made;
    if (!result && !fstatat(dir, name, &made, 0)) note(MKDIR, made.st_ino, path, NULL, 0, NULL, 0);
    unlock();
    return result;
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

KEEP(renameat);
int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    char path[PATH_MAX], second[PATH_MAX];
    if (!path_at(from_dir, from, path) || !path_at(to_dir, to, second)) return REAL(renameat)(from_dir, from, to_dir, to);
    lock();
    int result = fails("open", second) ? -1 : REAL(renameat)(from_dir, from, to_dir, to);
    if (!result) note(RENAME, 0, path, second, 0, NULL, 0);
    unlock();
    return result;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

KEEP(unlinkat);
int unlinkat(int dir, const char *name, int flags) {
    char path[PATH_MAX];
    if (!path_at(dir, name, path)) return REAL(unlinkat)(dir, name, flags);
    lock();
    int result = REAL(unlinkat)(dir, name, flags);
    if (!result) note(REMOVE, 0, path, NULL, 0, NULL, 0);
    unlock();
    return result;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

/* The time of day; the monotonic clocks go on as they are. */

KEEP(clock_gettime);
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = REAL(clock_gettime)(clock, time);
    if (result || !clock_file || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    char text[32];
    int fd = syscall(SYS_openat, AT_FDCWD, clock_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return result;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length > 0) {
        text[length] = 0;
        time->tv_sec += strtol(text, NULL, 10);
    }
    return result;
}
