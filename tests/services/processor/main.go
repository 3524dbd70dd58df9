// A stream processor in Go for the tests: the Benthos engine, which reads Redpanda Connect's configuration, with the
// three components that the rendering uses, made of franz-go and hamba/avro. Redpanda Connect's own are not free
// software; these take the same keys, no others, and write documents to standard error instead of to a search index
// (the engine's own log has the other stream).
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/hamba/avro/v2"
	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	must(service.RegisterInput("redpanda", inputSpec(), newInput))
	must(service.RegisterProcessor("schema_registry_decode", decodeSpec(), newDecoder))
	must(service.RegisterOutput("elasticsearch_v8", outputSpec(), newOutput))
	service.RunCLI(context.Background())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// The input.

func inputSpec() *service.ConfigSpec {
	return service.NewConfigSpec().Fields(
		service.NewStringListField("seed_brokers"), service.NewStringListField("topics"),
		service.NewStringField("consumer_group"),
		service.NewStringEnumField("transaction_isolation_level", "read_committed", "read_uncommitted").
			Default("read_uncommitted"),
		service.NewStringEnumField("start_offset", "earliest"))
}

type input struct {
	client *kgo.Client
	read   []*kgo.Record
}

func newInput(conf *service.ParsedConfig, _ *service.Resources) (service.Input, error) {
	brokers, err := conf.FieldStringList("seed_brokers")
	topics, err2 := conf.FieldStringList("topics")
	group, err3 := conf.FieldString("consumer_group")
	level, err4 := conf.FieldString("transaction_isolation_level")
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return nil, err
	}
	isolation := kgo.ReadUncommitted()
	if level == "read_committed" {
		isolation = kgo.ReadCommitted()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...),
		kgo.FetchIsolationLevel(isolation), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	return &input{client: client}, err
}

func (in *input) Connect(context.Context) error { return nil }
func (in *input) Close(context.Context) error   { in.client.Close(); return nil }
func acknowledged(context.Context, error) error { return nil }

func (in *input) Read(ctx context.Context) (*service.Message, service.AckFunc, error) {
	for len(in.read) == 0 {
		fetches := in.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, nil, err
		}
		in.read = fetches.Records()
	}
	record := in.read[0]
	in.read = in.read[1:]
	message := service.NewMessage(record.Value)
	message.MetaSetMut("kafka_topic", record.Topic)
	message.MetaSetMut("kafka_partition", int(record.Partition))
	message.MetaSetMut("kafka_offset", record.Offset)
	return message, acknowledged, nil
}

// The decoder.

func decodeSpec() *service.ConfigSpec {
	return service.NewConfigSpec().Fields(service.NewStringField("url"),
		service.NewObjectField("avro", service.NewBoolField("raw_unions"), service.NewBoolField("preserve_logical_types")))
}

type decoder struct {
	url     string
	schemas map[uint32]avro.Schema
}

func newDecoder(conf *service.ParsedConfig, _ *service.Resources) (service.Processor, error) {
	url, err := conf.FieldString("url")
	for _, name := range []string{"raw_unions", "preserve_logical_types"} {
		set, err2 := conf.FieldBool("avro", name)
		if err2 != nil || !set {
			err = errors.Join(err, err2, fmt.Errorf("only with %s", name))
		}
	}
	return &decoder{url: url, schemas: map[uint32]avro.Schema{}}, err
}

func (d *decoder) Close(context.Context) error { return nil }

func (d *decoder) Process(_ context.Context, message *service.Message) (service.MessageBatch, error) {
	value, err := message.AsBytes()
	if err != nil {
		return nil, err
	}
	if len(value) < 5 || value[0] != 0 {
		return nil, errors.New("no schema id")
	}
	schema, err := d.schema(binary.BigEndian.Uint32(value[1:5]))
	if err != nil {
		return nil, err
	}
	var decoded any
	if err := avro.Unmarshal(schema, value[5:], &decoded); err != nil {
		return nil, err
	}
	message.SetStructuredMut(raw(schema, decoded))
	return service.MessageBatch{message}, nil
}

func (d *decoder) schema(id uint32) (avro.Schema, error) {
	if found, ok := d.schemas[id]; ok {
		return found, nil
	}
	reply, err := http.Get(fmt.Sprintf("%s/schemas/ids/%d", d.url, id))
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	var told struct{ Schema string }
	if err := json.NewDecoder(reply.Body).Decode(&told); err != nil {
		return nil, err
	}
	d.schemas[id], err = avro.Parse(told.Schema)
	return d.schemas[id], err
}

// raw takes the name of a union's branch away from around its value.
func raw(schema avro.Schema, value any) any {
	switch of := schema.(type) {
	case *avro.RefSchema:
		return raw(of.Schema(), value)
	case *avro.UnionSchema:
		if value == nil {
			return nil
		}
		_, branch := of.Indices()
		inner := of.Types()[branch]
		if ref, ok := inner.(*avro.RefSchema); ok {
			inner = ref.Schema()
		}
		if named, ok := inner.(avro.NamedSchema); ok {
			if wrapped, ok := value.(map[string]any)[named.FullName()]; ok {
				value = wrapped
			}
		}
		return raw(inner, value)
	case *avro.RecordSchema:
		fields := value.(map[string]any)
		for _, field := range of.Fields() {
			fields[field.Name()] = raw(field.Type(), fields[field.Name()])
		}
	case *avro.ArraySchema:
		for i, item := range value.([]any) {
			value.([]any)[i] = raw(of.Items(), item)
		}
	}
	return value
}

// The output.

func outputSpec() *service.ConfigSpec {
	return service.NewConfigSpec().Fields(service.NewStringListField("urls"),
		service.NewObjectField("basic_auth", service.NewBoolField("enabled"),
			service.NewStringField("username"), service.NewStringField("password")),
		service.NewInterpolatedStringField("index"), service.NewInterpolatedStringField("action"),
		service.NewInterpolatedStringField("id"))
}

type output struct {
	fields map[string]*service.InterpolatedString
	lines  *json.Encoder
}

func newOutput(conf *service.ParsedConfig, _ *service.Resources) (service.Output, int, error) {
	out := &output{fields: map[string]*service.InterpolatedString{}, lines: json.NewEncoder(os.Stderr)}
	for _, name := range []string{"index", "action", "id"} {
		field, err := conf.FieldInterpolatedString(name)
		if err != nil {
			return nil, 0, err
		}
		out.fields[name] = field
	}
	return out, 1, nil
}

func (out *output) Connect(context.Context) error { return nil }
func (out *output) Close(context.Context) error   { return nil }

func (out *output) Write(_ context.Context, message *service.Message) error {
	document, err := message.AsStructured()
	if err != nil {
		return err
	}
	line := map[string]any{"document": document}
	for name, field := range out.fields {
		if line[name], err = field.TryString(message); err != nil {
			return err
		}
	}
	return out.lines.Encode(line)
}
