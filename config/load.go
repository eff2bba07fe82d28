package config

import (
	"fmt"
	"io"
	"os"
)

// MaxFileBytes bounds a configuration file.
const MaxFileBytes = 1 << 20

// Getenv looks a name up in the environment, as os.LookupEnv does.
type Getenv = func(name string) (value string, ok bool)

// Load reads and checks the file at path. The error is Errors if the file could
// be read, and then holds everything that is wrong with it. The warnings are
// there in either case.
func Load(path string, getenv Getenv) (*Config, []Warning, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxFileBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	return (&document{findings: findings{file: path}, getenv: getenv, hostname: os.Hostname, readsFiles: true}).parse(text)
}

// Parse checks a configuration, and looks into none of the files that it names. name stands for the file in errors and
// warnings; getenv resolves ${NAME}. The error is always Errors.
func Parse(name string, text []byte, getenv Getenv) (*Config, []Warning, error) {
	return parse(name, text, getenv, os.Hostname)
}

func parse(name string, text []byte, getenv Getenv, hostname func() (string, error)) (*Config, []Warning, error) {
	return (&document{findings: findings{file: name}, getenv: getenv, hostname: hostname}).parse(text)
}

func (d *document) parse(text []byte) (*Config, []Warning, error) {
	var c *Config
	if root := d.open(text); root != nil {
		c = readConfig(root)
		d.close()
	}
	errs, warnings := d.sorted()
	if len(errs) > 0 {
		return nil, warnings, errs
	}
	return c, warnings, nil
}

// readConfig reads the sections in an order in which each may look at what it
// follows from: buckets inherit the cache's freshness, the founder the node's
// name.
func readConfig(root *section) *Config {
	c := defaults()
	node, cluster := root.section("node"), root.section("cluster")
	server, admin := root.section("server"), root.section("admin")
	readNode(node, &c.Node)
	readServer(server, &c.Server)
	readAdmin(admin, &c.Admin)
	readLog(root.section("log"), &c.Log)
	readPrices(root.section("prices"), &c.Prices)
	readNetwork(root.section("network"), &c.Network)
	readAuditLog(root.section("audit_log"), &c.AuditLog)
	readReload(root.section("reload"), &c.Reload)
	readCache(root.section("cache"), node, c)
	readBounds(server, c)
	readCluster(cluster, c)
	readOld(root, c)
	readJWT(root.section("jwt"), &c.JWT)
	buckets := readBuckets(root, c)

	checkRoutes(buckets, c)
	failWithoutAuditLog(buckets, c)
	listeners := []listener{{server, "port", c.Server.Listen()}, {admin, "port", c.Admin.Listen()}}
	if !c.Cluster.Alone() {
		listeners = append(listeners, listener{cluster, "bind", c.Cluster.Bind}, listener{cluster, "peer_bind", c.Cluster.PeerBind})
	}
	checkListeners(listeners)
	return c
}
