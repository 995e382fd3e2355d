"""Descriptions of the kinds that are found in the field: what they describe can be called, as they describe it."""

import json

import pytest

from mcp_core.arguments import ArgumentSchema
from mcp_core.rest.document import ApiDocument
from mcp_core.rest.operations import tools_of
from mcp_core.rest.request import request_of
from mcp_sidecar.lane.patterns import compile_pattern
from mcp_sidecar.rest.text import values_of

PETSTORE = """
openapi: 3.0.0
info: {version: 1.0.0, title: Swagger Petstore}
servers:
- url: https://{region}.petstore.io/{base}
  variables: {region: {default: eu, enum: [eu, us]}, base: {default: v1}}
paths:
  /pets:
    get:
      summary: List all pets
      operationId: listPets
      parameters:
      - {name: limit, in: query, required: false, schema: {type: integer, maximum: 100, format: int32}}
      - {name: tags, in: query, style: form, explode: true, schema: {type: array, items: {type: string}}}
      - {name: status, in: query, style: form, explode: false, schema: {type: array, items: {enum: [a, b]}}}
      responses: {'200': {$ref: '#/components/responses/none'}, default: {description: unexpected error}}
    post:
      operationId: createPets
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
      responses: {'201': {description: Null response}}
  /pets/{petId}:
    parameters:
    - {name: petId, in: path, required: true, schema: {type: string}}
    get: {operationId: showPetById, responses: {default: {description: all}}}
    delete: {operationId: deletePet, responses: {'204': {description: gone}}}
  /pets/{petId}/photo:
    parameters:
    - {name: petId, in: path, required: true, schema: {type: string}}
    post:
      operationId: upload
      requestBody: {required: true, content: {multipart/form-data: {schema: {type: object}}}}
      responses: {}
  /elsewhere:
    get: {operationId: elsewhere, parameters: [{$ref: 'common.yaml#/p'}], responses: {}}
components:
  responses: {none: {description: ok}}
  schemas:
    Pet:
      allOf:
      - $ref: '#/components/schemas/Base'
      - type: object
        required: [id, name]
        properties: {name: {type: string}, tag: {type: string, nullable: true}, secret: {type: string, writeOnly: true}}
    Base: {type: object, properties: {id: {type: integer, readOnly: true}}}
"""

MODERN = """
openapi: 3.1.0
info: {version: 1.0.0, title: Modern}
paths:
  /items:
    put:
      operationId: putItem
      requestBody:
        required: true
        content:
          application/merge-patch+json:
            schema:
              $ref: '#/components/schemas/Item'
              required: [kind]
      responses: {}
webhooks: {made: {post: {responses: {}}}}
components:
  schemas:
    Item:
      type: object
      additionalProperties: false
      properties:
        kind: {const: item}
        size: {type: [integer, 'null'], exclusiveMinimum: 0}
        pair: {type: array, prefixItems: [{type: string}, {type: integer}], items: false}
        card: {type: string}
        address: {type: string}
        either:
          oneOf:
          - {type: string}
          - {type: object, properties: {a: {not: {type: string}}}}
          discriminator: {propertyName: a}
      patternProperties: {'^x-': {type: string}}
      propertyNames: {maxLength: 10}
      dependentRequired: {card: [address]}
      if: {properties: {size: {const: 1}}, required: [size]}
      then: {required: [pair]}
"""

FORMS = """
openapi: 3.0.0
info: {version: '2022-11-15', title: Forms}
servers: [{url: https://api.stripe.example/}]
paths:
  /v1/customers:
    get:
      operationId: GetCustomers
      parameters:
      - in: query
        name: created
        style: deepObject
        explode: true
        schema: {anyOf: [{type: object, properties: {gt: {type: integer}}}, {type: integer}]}
      - {in: query, name: expand, style: deepObject, explode: true, schema: {type: array, items: {type: string}}}
      requestBody: {content: {application/x-www-form-urlencoded: {encoding: {}, schema: {}}}, required: false}
      responses: {}
    post:
      operationId: PostCustomers
      requestBody:
        content:
          application/x-www-form-urlencoded:
            encoding:
              address: {style: deepObject, explode: true}
              expand: {style: deepObject, explode: true}
              scopes: {style: form, explode: false}
              extra: {contentType: application/json}
            schema:
              type: object
              properties:
                address: {anyOf: [{type: object, properties: {city: {type: string}}}, {enum: ['']}]}
                expand: {type: array, items: {type: string}}
                scopes: {type: array, items: {type: string}}
                to: {type: array, items: {type: string}}
                extra: {type: object}
                description: {type: string}
      responses: {default: {description: Error}}
"""


def tools(text, others=None):
    return tools_of(ApiDocument(values_of(text.encode()), others))


def called(text, name, arguments):
    """Return the request of a call whose arguments fit, or where they do not."""
    (tool,) = (one for one in tools(text).tools if one.name == name)
    schema = ArgumentSchema.of(tool.item["inputSchema"], compile_pattern)
    assert isinstance(schema, ArgumentSchema), schema
    misfit = schema.misfit(arguments)
    return misfit or request_of(tool, arguments)


@pytest.mark.requirement("REST-008")
@pytest.mark.parametrize(
    ("text", "name", "arguments", "target", "body"),
    [
        (PETSTORE, "listPets", {"limit": 5, "tags": ["a", "b"]}, "/pets?limit=5&tags=a&tags=b", None),
        (PETSTORE, "listPets", {"status": ["a", "b"]}, "/pets?status=a,b", None),
        (PETSTORE, "listPets", {}, "/pets", None),
        (
            PETSTORE,
            "createPets",
            {"body": {"name": "x", "tag": None, "secret": "y"}},
            "/pets",
            '{"name":"x","tag":null,"secret":"y"}',
        ),
        (PETSTORE, "showPetById", {"petId": "7"}, "/pets/7", None),
        (PETSTORE, "deletePet", {"petId": "7"}, "/pets/7", None),
        (MODERN, "putItem", {"body": {"kind": "item", "x-a": "b"}}, "/items", '{"kind":"item","x-a":"b"}'),
        (
            MODERN,
            "putItem",
            {"body": {"kind": "item", "either": {"a": 1}}},
            "/items",
            '{"kind":"item","either":{"a":1}}',
        ),
        (
            FORMS,
            "GetCustomers",
            {"created": {"gt": 1}, "expand": ["a"]},
            "/v1/customers?created%5Bgt%5D=1&expand%5B%5D=a",
            None,
        ),
        (FORMS, "GetCustomers", {"created": 7}, "/v1/customers?created=7", None),
        (
            FORMS,
            "PostCustomers",
            {"body": {"address": {"city": "x"}, "expand": ["a", "b"]}},
            "/v1/customers",
            "address%5Bcity%5D=x&expand%5B%5D=a&expand%5B%5D=b",
        ),
        (
            FORMS,
            "PostCustomers",
            {"body": {"address": "", "scopes": ["a", "b"]}},
            "/v1/customers",
            "address=&scopes=a,b",
        ),
        (
            FORMS,
            "PostCustomers",
            {"body": {"to": ["a", "b"], "extra": {"k": [1]}}},
            "/v1/customers",
            "to=a&to=b&extra=%7B%22k%22%3A%5B1%5D%7D",
        ),
    ],
)
def test_honest_operations_are_called_as_they_are_described(text, name, arguments, target, body):
    made = called(text, name, arguments)
    assert not isinstance(made, str), made
    assert (made.target, made.body) == (target, None if body is None else body.encode())


@pytest.mark.requirement("REST-005")
@pytest.mark.parametrize(
    ("text", "name", "arguments", "said"),
    [
        (PETSTORE, "listPets", {"limit": 101}, "arguments.limit (maximum)"),
        (PETSTORE, "createPets", {"body": {}}, "arguments.body.name (required)"),
        (MODERN, "putItem", {"body": {}}, "arguments.body.kind (required)"),
        (MODERN, "putItem", {"body": {"kind": "item", "y-a": "b"}}, "arguments.body['y-a'] (additionalProperties)"),
        (MODERN, "putItem", {"body": {"kind": "item", "x-a": 1}}, "arguments.body['x-a'] (type)"),
        (MODERN, "putItem", {"body": {"kind": "item", "x-12345678901": "1"}}, "arguments.body (maxLength)"),
        (MODERN, "putItem", {"body": {"kind": "item", "card": "x"}}, "arguments.body (dependentRequired)"),
        (MODERN, "putItem", {"body": {"kind": "item", "size": 1}}, "arguments.body.pair (required)"),
        (MODERN, "putItem", {"body": {"kind": "item", "either": {"a": "x"}}}, "arguments.body.either (oneOf)"),
    ],
)
def test_what_a_description_says_of_arguments_holds(text, name, arguments, said):
    assert called(text, name, arguments) == said


@pytest.mark.requirement("REST-008")
def test_what_cannot_be_offered_is_left_out_alone():
    left = {one.name: one.why for one in tools(PETSTORE).left_out}
    assert left == {
        "upload": "needs a body of 'multipart/form-data'; JSON and forms are sent",
        "elsewhere": "refers to 'common.yaml', another document, which `references` does not name",
    }
    common = {"common.yaml": {"p": {"name": "a", "in": "query", "schema": {"type": "string"}}}}
    assert [one.name for one in tools(PETSTORE, common).left_out] == ["upload"]


def with_choice(**schemas):
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/choice"}}}}
    paths = {"/a": {"post": {"operationId": "a", "requestBody": body, "responses": {}}}}
    return json.dumps({"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}})


@pytest.mark.requirement("REST-005")
def test_choices_are_kept_as_they_are():
    cat = {"type": "object", "required": ["cat"], "properties": {"cat": {"type": "string"}}}
    choice = {
        "oneOf": [{"$ref": "#/components/schemas/cat"}, {"type": "integer"}],
        "anyOf": [{"type": "object"}, {"minimum": 1}],
        "allOf": [{"not": {"const": 7}}],
    }
    (tool,) = tools(with_choice(choice=choice, cat=cat)).tools
    assert tool.item["inputSchema"]["$defs"] == {
        "choice": {**choice, "oneOf": [{"$ref": "#/$defs/cat"}, {"type": "integer"}]},
        "cat": cat,
    }


@pytest.mark.requirement("REST-005")
@pytest.mark.parametrize(
    "choice",
    [
        {"oneOf": [{"$ref": "#/components/schemas/long"}, {"type": "object", "required": ["b"]}]},
        {"not": {"$ref": "#/components/schemas/long"}},
        {"if": {"$ref": "#/components/schemas/long"}, "then": {"required": ["a"]}},
        {"not": {"properties": {"a": {}}, "unevaluatedProperties": False}},
        {"oneOf": [{"enum": [f"value{at}" for at in range(20_000)]}, {"type": "object"}]},
    ],
)
def test_a_part_that_is_not_shown_refuses_nothing_that_fits_the_whole(choice):
    properties = {f"p{at}": {"type": "string", "description": "x" * 300} for at in range(1_000)}
    long = {"type": "object", "required": ["a"], "properties": properties}
    assert not isinstance(called(with_choice(choice=choice, long=long), "a", {"body": {"b": 1}}), str)


@pytest.mark.requirement("REST-004")
def test_a_reference_by_an_anchor_is_no_reference_to_the_whole():
    (left,) = tools(with_choice(choice={"$ref": "#pet"}, pet={"$anchor": "pet"})).left_out
    assert "'#pet', an anchor" in left.why


@pytest.mark.requirement("REST-005")
def test_what_may_be_null_beside_a_reference_may_be_null():
    text = with_choice(
        choice={"properties": {"a": {"$ref": "#/components/schemas/b", "nullable": True}}}, b={"type": "object"}
    )
    assert not isinstance(called(text.replace("3.1.0", "3.0.1"), "a", {"body": {"a": None}}), str)
    assert called(text.replace("3.1.0", "3.0.1"), "a", {"body": {"a": 7}}) == "arguments.body.a (anyOf)"
