package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nothing is what a second sync says.
var nothing = new(string)

// virtual sends a program in virtual-host style, without a name server: the place is
// its proxy, and gets the target in absolute form.
var virtual = []string{"HTTP_PROXY=http://{address}", "http_proxy=http://{address}", "NO_PROXY=", "no_proxy="}

// clients are the programs, and what is asked of each.
func clients(tools string) []client {
	return []client{awsCLI(), rclone(), s3cmd(), mc(tools), boto()}
}

// awsCLI is Debian's aws-cli.
func awsCLI() client {
	s3 := func(args ...string) []string { return append([]string{"--endpoint-url", "{url}", "s3"}, args...) }
	api := func(args ...string) []string { return append([]string{"--endpoint-url", "{url}", "s3api"}, args...) }
	stories := []story{
		{name: "cp, whole", commands: [][]string{s3("cp", "--no-progress", "s3://"+bucket+"/sizes/empty", "."), s3("cp", "--no-progress", "s3://"+bucket+"/sizes/8m-in-parts", ".")}},
		{name: "cp, many ranges at once", commands: [][]string{s3("cp", "--no-progress", "s3://"+bucket+"/large/100m", ".")}},
		{name: "ls", commands: [][]string{
			s3("ls", "s3://"+bucket+"/names/"), s3("ls", "--recursive", "--summarize", "s3://"+bucket),
			api("list-objects-v2", "--bucket", bucket, "--page-size", "3"), api("list-objects", "--bucket", bucket, "--prefix", "names/", "--delimiter", "/"),
		}},
		{name: "cp of all", commands: [][]string{s3("cp", "--no-progress", "--only-show-errors", "--recursive", "s3://"+bucket+"/", ".")}},
		{name: "sync, twice", last: nothing, commands: [][]string{
			s3("sync", "--no-progress", "--only-show-errors", "s3://"+bucket+"/names/", "."), s3("sync", "--no-progress", "s3://"+bucket+"/names/", "."),
		}},
		{name: "bucket", commands: [][]string{api("head-bucket", "--bucket", bucket), api("get-bucket-location", "--bucket", bucket)}},
		{name: "no such bucket, ls", fails: []string{"NoSuchBucket"}, commands: [][]string{s3("ls", "s3://no-such-bucket")}},
		{name: "head", commands: [][]string{
			api("head-object", "--bucket", bucket, "--key", "sizes/64k"),
			api("head-object", "--bucket", bucket, "--key", "sizes/64k", "--checksum-mode", "ENABLED"),
			api("head-object", "--bucket", bucket, "--key", "sizes/8m-in-parts", "--part-number", "2"),
		}},
		{name: "ranges", commands: [][]string{
			api("get-object", "--bucket", bucket, "--key", "sizes/8m-in-parts", "--range", "bytes=1048570-1048590", "middle"),
			api("get-object", "--bucket", bucket, "--key", "sizes/8m-in-parts", "--range", "bytes=-5", "last"),
			api("get-object", "--bucket", bucket, "--key", "sizes/8m-in-parts", "--part-number", "2", "part"),
		}},
		{name: "whole with its checksum", commands: [][]string{api("get-object", "--bucket", bucket, "--key", "sizes/64k", "--checksum-mode", "ENABLED", "checked")}},
		{name: "range outside", fails: []string{"InvalidRange"}, commands: [][]string{api("get-object", "--bucket", bucket, "--key", "sizes/one", "--range", "bytes=1-", "none")}},
		{name: "not modified", fails: []string{"304"}, commands: [][]string{api("get-object", "--bucket", bucket, "--key", "sizes/one", "--if-none-match", "7b774effe4a349c6dd82ad4f4f21d34c", "none")}},
		{name: "precondition", fails: []string{"PreconditionFailed"}, commands: [][]string{api("get-object", "--bucket", bucket, "--key", "sizes/one", "--if-match", "another", "none")}},
		{name: "no such key", fails: []string{"NoSuchKey"}, commands: [][]string{api("get-object", "--bucket", bucket, "--key", "none", "none")}},
		{name: "no such bucket", fails: []string{"NoSuchBucket"}, commands: [][]string{api("get-object", "--bucket", "no-such-bucket", "--key", "none", "none")}},
		{name: "unsigned", open: true, commands: [][]string{s3("cp", "--no-progress", "s3://"+bucket+"/sizes/64k", "."), s3("ls", "s3://"+bucket+"/sizes/")}},
		{name: "wrong key", keys: wrong, refused: denied, commands: [][]string{api("get-object", "--bucket", bucket, "--key", "sizes/one", "none")}},
		{name: "wrong key, ls", keys: wrong, refused: denied, commands: [][]string{s3("ls", "s3://"+bucket)}},
		{name: "put", refused: denied, commands: [][]string{s3("cp", "--no-progress", "{home}/upload", "s3://"+bucket+"/new")}},
		{name: "delete", refused: denied, commands: [][]string{s3("rm", "s3://"+bucket+"/sizes/one")}},
		{name: "upload in parts", refused: denied, commands: [][]string{api("create-multipart-upload", "--bucket", bucket, "--key", "new")}},
	}
	return client{
		name: "aws-cli", program: "/usr/bin/aws", version: []string{"--version"}, stories: stories, unsigned: []string{"--no-sign-request"},
		prepare: func(_ string, p place) ([]string, error) { return awsEnvironment(p), nil },
	}
}

// awsEnvironment is what aws-cli and boto3 read.
func awsEnvironment(p place) []string {
	env := []string{"AWS_ACCESS_KEY_ID=" + p.keys.access, "AWS_SECRET_ACCESS_KEY=" + p.keys.secret, fmt.Sprintf("UNSIGNED=%t", p.open), "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER="}
	if p.tls != nil {
		env = append(env, "AWS_CA_BUNDLE="+p.tls.Cert)
	}
	return env
}

// denied is how clients tell of a write, or of keys that are none.
var denied = []string{"MethodNotAllowed", "method is not allowed", "AccessDenied", "Access Denied", "403", "Forbidden", "Insufficient permissions"}

// wrong are keys with another secret.
var wrong = &keys{keysOfNodes.access, "another-secret-than-the-one-of-the-nodes"}

// boto is Debian's boto3, told by a script what to ask.
func boto() client {
	script, err := filepath.Abs("testdata/boto.py")
	if err != nil {
		panic(err) // without a working directory no test can go on
	}
	run := func(part string) []string { return []string{script, "{url}", bucket, part} }
	return client{
		name: "boto3", program: "/usr/bin/python3", version: []string{"-c", "import boto3; print('boto3', boto3.__version__)"},
		prepare: func(_ string, p place) ([]string, error) { return awsEnvironment(p), nil },
		stories: []story{
			{name: "reads", commands: [][]string{run("reads")}},
			{name: "names", commands: [][]string{run("names")}},
			{name: "lists", commands: [][]string{run("lists")}},
			{name: "transfer", commands: [][]string{run("transfer")}},
			{name: "presigned", commands: [][]string{run("presigned")}},
			{name: "errors", commands: [][]string{run("errors")}},
			{name: "unsigned", open: true, commands: [][]string{run("reads"), run("names")}},
			{name: "wrong key", keys: wrong, refused: denied, commands: [][]string{run("reads")}},
			{name: "virtual host", commands: [][]string{{script, "http://" + domain, bucket, "reads"}}, env: virtual},
			{name: "writes", refused: denied, commands: [][]string{run("writes")}},
		},
	}
}

func rclone() client {
	run := func(args ...string) []string { return append(args, "--retries", "1", "-v") }
	return client{
		name: "rclone", program: "/usr/bin/rclone", version: []string{"version"},
		prepare: func(home string, p place) ([]string, error) {
			file := filepath.Join(home, "rclone.conf")
			text := fmt.Sprintf("[r]\ntype = s3\nprovider = Other\nendpoint = %s\nregion = %s\nno_check_bucket = true\n", p.url(), region)
			if !p.open {
				text += fmt.Sprintf("access_key_id = %s\nsecret_access_key = %s\n", p.keys.access, p.keys.secret)
			}
			return []string{"RCLONE_CONFIG=" + file}, os.WriteFile(file, []byte(text), 0o600)
		},
		stories: []story{
			{name: "copy of one", commands: [][]string{run("copyto", "r:"+bucket+"/sizes/64k", "64k"), run("copyto", "r:"+bucket+"/sizes/8m-in-parts", "8m")}},
			{name: "many streams", commands: [][]string{run("copyto", "--multi-thread-cutoff", "10M", "--multi-thread-streams", "8", "r:"+bucket+"/large/100m", "100m")}},
			{name: "part of one", commands: [][]string{run("cat", "--offset", "100", "--count", "50", "r:"+bucket+"/sizes/64k")}},
			{name: "lists", commands: [][]string{run("lsf", "-R", "--files-only", "--format", "pst", "r:"+bucket), run("lsjson", "-R", "--files-only", "--hash", "-M", "r:"+bucket+"/names"), run("size", "r:"+bucket)}},
			{name: "copy of all", commands: [][]string{{"copy", "-q", "r:" + bucket, "."}}},
			{name: "sync, twice", last: nothing, commands: [][]string{{"sync", "-q", "r:" + bucket + "/names", "."}, {"sync", "-q", "r:" + bucket + "/names", "."}, {"check", "-q", "r:" + bucket + "/names", "."}}},
			{name: "unsigned", open: true, commands: [][]string{{"copy", "-q", "r:" + bucket + "/sizes", "."}}},
			{name: "wrong key", keys: wrong, refused: denied, commands: [][]string{run("copyto", "r:"+bucket+"/sizes/64k", "64k")}},
			{name: "put", refused: denied, commands: [][]string{run("copyto", "--s3-no-head", "{home}/upload", "r:"+bucket+"/new")}},
		},
	}
}

func s3cmd() client {
	run := func(args ...string) []string { return append([]string{"--no-progress"}, args...) }
	return client{
		name: "s3cmd", program: "/usr/bin/s3cmd", version: []string{"--version"},
		prepare: func(home string, p place) ([]string, error) {
			text := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = %t\nbucket_location = %s\n", p.keys.access, p.keys.secret, p.address, p.address, p.tls != nil, region)
			if p.tls != nil {
				text += "ca_certs_file = " + p.tls.Cert + "\n"
			}
			return nil, os.WriteFile(filepath.Join(home, ".s3cfg"), []byte(text), 0o600)
		},
		stories: []story{
			{name: "get", commands: [][]string{run("get", "s3://"+bucket+"/sizes/64k"), run("get", "s3://"+bucket+"/sizes/8m-in-parts"), run("get", "s3://"+bucket+"/sizes/empty")}},
			{name: "lists", commands: [][]string{run("ls", "s3://"+bucket), run("ls", "-r", "s3://"+bucket), run("du", "s3://"+bucket), run("info", "s3://"+bucket+"/sizes/64k")}},
			{name: "get of many", commands: [][]string{run("get", "-q", "-r", "s3://"+bucket+"/sizes/", "s3://"+bucket+"/doubled/", ".")}},
			{name: "sync, twice", commands: [][]string{run("sync", "-q", "s3://"+bucket+"/names/", "./"), run("sync", "s3://"+bucket+"/names/", "./")}},
			{name: "no such key", fails: []string{"does not exist"}, commands: [][]string{run("get", "s3://"+bucket+"/none")}},
			{name: "wrong key", keys: wrong, refused: denied, commands: [][]string{run("get", "s3://"+bucket+"/sizes/64k")}},
			{name: "put", refused: denied, commands: [][]string{run("put", "{home}/upload", "s3://"+bucket+"/new")}},
		},
	}
}

func mc(tools string) client {
	run := func(args ...string) []string {
		return append([]string{"--quiet", "--no-color", "--disable-pager"}, args...)
	}
	return client{
		name: "mc", program: filepath.Join(tools, "mc"), version: []string{"--version"},
		prepare: func(_ string, p place) ([]string, error) {
			credentials := p.keys.access + ":" + p.keys.secret + "@"
			if p.open {
				credentials = ""
			}
			return []string{"MC_HOST_r=" + strings.Replace(p.url(), "://", "://"+credentials, 1), "MC_UPDATE_DISABLE=on"}, nil
		},
		stories: []story{
			{name: "cat", commands: [][]string{run("cat", "r/"+bucket+"/sizes/one")}},
			{name: "get", commands: [][]string{run("get", "r/"+bucket+"/sizes/64k", "64k"), run("get", "r/"+bucket+"/large/100m", "100m")}},
			{name: "stat", commands: [][]string{run("stat", "r/"+bucket+"/sizes/64k")}},
			{name: "lists", commands: [][]string{run("ls", "-r", "r/"+bucket), run("find", "r/"+bucket, "--name", "*.txt"), run("du", "r/"+bucket)}},
			{name: "mirror, twice", commands: [][]string{run("mirror", "r/"+bucket+"/names", "."), run("mirror", "r/"+bucket+"/names", "."), run("diff", "r/"+bucket+"/names", ".")}},
			{name: "cp of all", commands: [][]string{run("cp", "-r", "r/"+bucket+"/sizes/", ".")}},
			{name: "no such key", fails: []string{"does not exist"}, commands: [][]string{run("cat", "r/"+bucket+"/none")}},
			{name: "unsigned", open: true, commands: [][]string{run("cp", "-r", "r/"+bucket+"/sizes/", ".")}},
			{name: "wrong key", keys: wrong, refused: denied, commands: [][]string{run("cat", "r/"+bucket+"/sizes/one")}},
			// So it reads MethodNotAllowed.
			{name: "put", refused: []string{"already exists"}, commands: [][]string{run("put", "{home}/upload", "r/"+bucket+"/new")}},
		},
	}
}
