package clients

import (
	"fmt"
	"os"
	"path/filepath"
)

// nothing is what a second sync says.
var nothing = new(string)

// virtual sends a program in virtual-host style, without a name server: the place is
// its proxy, and gets the target in absolute form.
var virtual = []string{"HTTP_PROXY=http://{address}", "http_proxy=http://{address}", "NO_PROXY=", "no_proxy="}

// clients are the programs, and what is asked of each.
func clients() []client {
	return []client{awsCLI(), rclone(), s3cmd(), boto()}
}

// awsCLI is Debian's aws-cli.
func awsCLI() client {
	s3 := func(args ...string) []string { return append([]string{"--endpoint-url", "{url}", "s3"}, args...) }
	api := func(args ...string) []string { return append([]string{"--endpoint-url", "{url}", "s3api"}, args...) }
	stories := []story{
		{name: "cp, whole", commands: [][]string{
			s3("cp", "--no-progress", "s3://"+bucket+"/sizes/empty", "."), s3("cp", "--no-progress", "s3://"+bucket+"/sizes/one", "."),
			s3("cp", "--no-progress", "s3://"+bucket+"/sizes/64k", "."), s3("cp", "--no-progress", "s3://"+bucket+"/sizes/8m-in-parts", "."),
		}},
		{name: "cp, many ranges at once", commands: [][]string{s3("cp", "--no-progress", "s3://"+bucket+"/large/100m", ".")}},
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
		{name: "no such key, cp", fails: []string{"404"}, commands: [][]string{s3("cp", "s3://"+bucket+"/none", ".")}},
		{name: "no such bucket", fails: []string{"NoSuchBucket"}, commands: [][]string{api("get-object", "--bucket", "no-such-bucket", "--key", "none", "none")}},
		{name: "put", refused: denied, commands: [][]string{s3("cp", "--no-progress", "{home}/upload", "s3://"+bucket+"/new")}},
		{name: "delete", refused: denied, commands: [][]string{s3("rm", "s3://"+bucket+"/sizes/one")}},
		{name: "upload in parts", refused: denied, commands: [][]string{api("create-multipart-upload", "--bucket", bucket, "--key", "new")}},
	}
	var named [][]string
	for _, name := range []string{"with space.txt", "a+b.txt", "slash%2Fencoded.txt"} { // boto3 asks for all of them
		named = append(named, api("get-object", "--bucket", bucket, "--key", "names/"+name, "one"))
	}
	stories = append(stories, story{name: "names", commands: named})
	return client{name: "aws-cli", program: "/usr/bin/aws", version: []string{"--version"}, stories: stories, prepare: func(string, place) ([]string, error) { return awsEnvironment(), nil }}
}

// awsEnvironment is what aws-cli and boto3 read.
func awsEnvironment() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER="}
}

var denied = []string{"MethodNotAllowed", "method is not allowed", "AccessDenied", "Access Denied"}

// boto is Debian's boto3, told by a script what to ask.
func boto() client {
	script, err := filepath.Abs("testdata/boto.py")
	if err != nil {
		panic(err) // without a working directory no test can go on
	}
	run := func(part string) []string { return []string{script, "{url}", bucket, part} }
	return client{
		name: "boto3", program: "/usr/bin/python3", version: []string{"-c", "import boto3; print('boto3', boto3.__version__)"},
		prepare: func(string, place) ([]string, error) { return awsEnvironment(), nil },
		stories: []story{
			{name: "reads", commands: [][]string{run("reads")}},
			{name: "names", commands: [][]string{run("names")}},
			{name: "transfer", commands: [][]string{run("transfer")}},
			{name: "presigned", commands: [][]string{run("presigned")}},
			{name: "errors", commands: [][]string{run("errors")}},
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
			text := fmt.Sprintf("[r]\ntype = s3\nprovider = Other\nendpoint = %s\naccess_key_id = %s\nsecret_access_key = %s\nregion = %s\nno_check_bucket = true\n", p.url(), accessKey, secretKey, region)
			return []string{"RCLONE_CONFIG=" + file, "RCLONE_STATS=0"}, os.WriteFile(file, []byte(text), 0o600)
		},
		stories: []story{
			{name: "copy of one", commands: [][]string{run("copyto", "r:"+bucket+"/sizes/64k", "64k"), run("copyto", "r:"+bucket+"/sizes/8m-in-parts", "8m")}},
			{name: "many streams", commands: [][]string{run("copyto", "--multi-thread-cutoff", "10M", "--multi-thread-streams", "8", "r:"+bucket+"/large/100m", "100m")}},
			{name: "put", refused: denied, commands: [][]string{run("copyto", "--s3-no-head", "{home}/upload", "r:"+bucket+"/new")}},
		},
	}
}

func s3cmd() client {
	run := func(args ...string) []string { return append([]string{"--no-progress"}, args...) }
	return client{
		name: "s3cmd", program: "/usr/bin/s3cmd", version: []string{"--version"},
		prepare: func(home string, p place) ([]string, error) {
			text := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\nbucket_location = %s\n", accessKey, secretKey, p.address, p.address, region)
			return nil, os.WriteFile(filepath.Join(home, ".s3cfg"), []byte(text), 0o600)
		},
		stories: []story{
			{name: "get", commands: [][]string{run("get", "s3://"+bucket+"/sizes/64k"), run("get", "s3://"+bucket+"/sizes/8m-in-parts"), run("get", "s3://"+bucket+"/sizes/empty")}},
			{name: "put", refused: denied, commands: [][]string{run("put", "{home}/upload", "s3://"+bucket+"/new")}},
		},
	}
}
