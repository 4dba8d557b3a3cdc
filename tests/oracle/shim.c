/* What one process does to the files below one folder, at the level of its system calls: recorded, and made to fail on order.

   Preloaded into the hub under test (LD_PRELOAD). `oracle_begin` names the folder, the file that the record goes to, and a
   shared page with orders (struct orders; tests/oracle/shim.py has the same layout). Every call that changes a file or a
   name, and every sync, is carried out and then recorded, under one lock: the record has the order in which things happened,
   and a sync is in it only when it has returned. What a process killed here has done and not recorded counts as not done.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPENED = 1, CREATED, WRITTEN, CUT, SYNCED, FOLDER_SYNCED, RENAMED, REMOVED, FOLDER_MADE };
enum { WELL = 0, FULL, FAILING, READ_ONLY, SLOW, LYING };

struct orders {
    int32_t disk;      /* how the disk is: WELL ... LYING */
    int32_t slow_us;   /* SLOW: how long each sync takes */
    int64_t steps;     /* recorded steps of this process so far */
    int64_t end_at;    /* kill -9 in place of this step; 0: never */
    int32_t torn;      /* ... after half of it, where it is a write */
    char only[64];     /* a part of the path of the files that `disk` is for; empty: all */
    int32_t ahead_s;   /* how far the machine's clock is set ahead, or back */
};

struct head {
    uint32_t what, path_size, to_size, pad;
    uint64_t inode, offset, size;
};

#define FILES_MAX 4096
#define PATH_BYTES 512
static char paths[FILES_MAX][PATH_BYTES]; /* of open descriptors below the folder; "": of none. Not from malloc, of which the hub may have none */
static char root[4096];
static size_t root_size;
static int record = -1;
static struct orders *orders;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int oracle_begin(const char *folder, const char *record_file, const char *orders_file) {
    snprintf(root, sizeof root, "%s/", folder);
    root_size = strlen(root);
    int fd = syscall(SYS_openat, AT_FDCWD, orders_file, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    orders = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (orders == MAP_FAILED) return -1;
    record = syscall(SYS_openat, AT_FDCWD, record_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return record < 0 ? -1 : 0;
}

/* The folder itself too: its being synced is what makes the names in it durable. */
static int watched(const char *path) {
    return record >= 0 && path && !strncmp(path, root, root_size - 1) && (!path[root_size - 1] || path[root_size - 1] == '/');
}

static const char *path_of(int fd) { return record >= 0 && fd >= 0 && fd < FILES_MAX && paths[fd][0] ? paths[fd] : NULL; }

static uint64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static void note(int what, const char *path, const char *to, uint64_t inode, uint64_t offset, const void *data, size_t size) {
    struct head head = {what, path ? strlen(path) : 0, to ? strlen(to) : 0, 0, inode, offset, size};
    struct iovec parts[4] = {{&head, sizeof head}, {(void *)path, head.path_size}, {(void *)to, head.to_size}, {(void *)data, data ? size : 0}};
    syscall(SYS_writev, record, parts, 4);
}

/* Before each step: whether it is the last. Gives 1 where half a write is wanted first. */
static int step(int is_write) {
    int64_t number = ++orders->steps;
    if (!orders->end_at || number != orders->end_at) return 0;
    if (is_write && orders->torn) return 1;
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void end(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* The error that the disk gives for a change, 0 where it works. `adds`: it needs room. */
static int trouble(const char *path, int adds) {
    if (orders->disk == WELL || (orders->only[0] && !strstr(path, orders->only))) return 0;
    if (orders->disk == FULL && adds) return ENOSPC;
    if (orders->disk == READ_ONLY) return EROFS;
    if (orders->disk == FAILING) return EIO;
    return 0;
}

static int fail(int error) {
    errno = error;
    return -1;
}

/* ------------------------------------------------------------------------------------------------ the clock */

int clock_gettime(clockid_t which, struct timespec *at) {
    int done = syscall(SYS_clock_gettime, which, at);
    if (!done && orders && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) at->tv_sec += orders->ahead_s;
    return done;
}

/* ------------------------------------------------------------------------------------------------ opening */

static int opened_at(int folder, const char *path, int flags, mode_t mode) {
    if (!watched(path)) return syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    int changes = flags & (O_CREAT | O_TRUNC) && syscall(SYS_faccessat, folder, path, F_OK);
    int error = changes ? trouble(path, 1) : 0;
    if (!error && orders->disk == READ_ONLY && (flags & O_ACCMODE) != O_RDONLY) error = trouble(path, 0);
    if (error) {
        pthread_mutex_unlock(&lock);
        return fail(error);
    }
    if (changes) step(0);
    int fd = syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0 && fd < FILES_MAX) {
        if (strlen(path) >= PATH_BYTES) abort();
        strcpy(paths[fd], path);
        note(changes ? CREATED : OPENED, path, NULL, inode_of(fd), 0, NULL, 0);
        if (flags & O_TRUNC && !changes) note(CUT, path, NULL, inode_of(fd), 0, NULL, 0);
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return fd;
}

#define MODE                                  \
    mode_t mode = 0;                          \
    if (flags & (O_CREAT | O_TMPFILE)) {      \
        va_list more;                         \
        va_start(more, flags);                \
        mode = va_arg(more, mode_t);          \
        va_end(more);                         \
    }

int open(const char *path, int flags, ...) { MODE return opened_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened_at(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE return opened_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE return opened_at(folder, path, flags | O_LARGEFILE, mode); }
int __open_2(const char *path, int flags) { return opened_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened_at(AT_FDCWD, path, flags, 0); }

int close(int fd) {
    if (path_of(fd)) {
        pthread_mutex_lock(&lock);
        paths[fd][0] = 0;
        int done = syscall(SYS_close, fd);
        pthread_mutex_unlock(&lock);
        return done;
    }
    return syscall(SYS_close, fd);
}

/* ------------------------------------------------------------------------------------------------ writing */

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset) {
    pthread_mutex_lock(&lock);
    const char *path = path_of(fd);
    int error = trouble(path, 1), half = 0;
    if (!error) half = step(1);
    ssize_t done = error ? fail(error) : (ssize_t)syscall(SYS_pwrite64, fd, data, half ? size / 2 : size, offset);
    if (done > 0) note(WRITTEN, path, NULL, inode_of(fd), offset, data, done);
    if (half) end();
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return path_of(fd) ? write_at(fd, data, size, offset) : syscall(SYS_pwrite64, fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return path_of(fd) ? write_at(fd, data, size, offset) : syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size) {
    if (!path_of(fd)) return syscall(SYS_write, fd, data, size);
    struct stat found;
    int appends = fcntl(fd, F_GETFL) & O_APPEND;
    off_t offset = appends && !fstat(fd, &found) ? found.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t done = write_at(fd, data, size, offset);
    if (done > 0) syscall(SYS_lseek, fd, offset + done, SEEK_SET);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!path_of(fd)) return syscall(SYS_writev, fd, parts, count);
    ssize_t total = 0;
    for (int n = 0; n < count; n++) {
        ssize_t done = write(fd, parts[n].iov_base, parts[n].iov_len);
        if (done < 0) return total ? total : done;
        total += done;
    }
    return total;
}

int ftruncate(int fd, off_t size) {
    if (!path_of(fd)) return syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&lock);
    int error = trouble(path_of(fd), 0);
    if (!error) step(0);
    int done = error ? fail(error) : (int)syscall(SYS_ftruncate, fd, size);
    if (!done) note(CUT, path_of(fd), NULL, inode_of(fd), size, NULL, 0);
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int synced(int fd, long call) {
    if (!path_of(fd)) return syscall(call, fd);
    if (orders->disk == SLOW && (!orders->only[0] || strstr(path_of(fd), orders->only))) usleep(orders->slow_us);
    pthread_mutex_lock(&lock);
    const char *path = path_of(fd);
    struct stat found;
    int folder = !fstat(fd, &found) && S_ISDIR(found.st_mode);
    int error = trouble(path, 0), done;
    if (!error) step(0);
    int lies = orders->disk == LYING && (!orders->only[0] || strstr(path, orders->only));
    done = error ? fail(error) : lies ? 0 : (int)syscall(call, fd);
    if (!done && !lies) note(folder ? FOLDER_SYNCED : SYNCED, path, NULL, inode_of(fd), 0, NULL, 0);
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* ------------------------------------------------------------------------------------------------ names */

static int named(int what, const char *path, const char *to, mode_t mode, int flags) {
    pthread_mutex_lock(&lock);
    int error = trouble(path, what == FOLDER_MADE), done;
    if (!error) step(0);
    if (error)
        done = fail(error);
    else if (what == RENAMED)
        done = syscall(SYS_renameat, AT_FDCWD, path, AT_FDCWD, to);
    else if (what == REMOVED)
        done = syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    else
        done = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (!done) note(what, path, to, 0, 0, NULL, 0);
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

int rename(const char *path, const char *to) {
    return watched(path) ? named(RENAMED, path, to, 0, 0) : (int)syscall(SYS_renameat, AT_FDCWD, path, AT_FDCWD, to);
}
int renameat(int from, const char *path, int into, const char *to) {
    return watched(path) ? named(RENAMED, path, to, 0, 0) : (int)syscall(SYS_renameat, from, path, into, to);
}
int unlink(const char *path) {
    return watched(path) ? named(REMOVED, path, NULL, 0, 0) : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int unlinkat(int folder, const char *path, int flags) {
    return watched(path) ? named(REMOVED, path, NULL, 0, flags) : (int)syscall(SYS_unlinkat, folder, path, flags);
}
int remove(const char *path) {
    if (!watched(path)) {
        int done = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        return done && errno == EISDIR ? (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) : done;
    }
    struct stat found;
    int is_folder = !lstat(path, &found) && S_ISDIR(found.st_mode);
    return named(REMOVED, path, NULL, 0, is_folder ? AT_REMOVEDIR : 0);
}
int rmdir(const char *path) {
    return watched(path) ? named(REMOVED, path, NULL, 0, AT_REMOVEDIR) : (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}
int mkdir(const char *path, mode_t mode) {
    return watched(path) ? named(FOLDER_MADE, path, NULL, mode, 0) : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
